package worker

import (
	"bytes"
	"debug/elf"
	"debug/gosym"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

// counts are what only this process can count: steps begun, and goroutines. They are two numbers of 8 bytes in memory
// that is mapped from a file, which the runner reads when it likes: also of a half that hangs.
type counts struct {
	steps, goroutines *atomic.Uint64
}

// countEvery is short of the time between two looks of the runner.
const countEvery = 5 * time.Millisecond

func countsIn(path string) *counts {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		os.Exit(runnerGone)
	}
	defer file.Close()
	mapped, err := syscall.Mmap(int(file.Fd()), 0, 16, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		os.Exit(runnerGone)
	}
	number := func(at int) *atomic.Uint64 { return (*atomic.Uint64)(unsafe.Pointer(&mapped[at])) }
	return &counts{number(0), number(8)}
}

func (c *counts) setSteps(begun int) { c.steps.Store(uint64(begun)) }

func (c *counts) count() { c.goroutines.Store(uint64(runtime.NumGoroutine())) }

// keep keeps the number of goroutines up to date.
func (c *counts) keep() {
	for range time.Tick(countEvery) {
		c.count()
	}
}

// slack is in bytes: memory that rose by less is not given back before a sample.
const slack = 1 << 20

// memory gives back what Go no longer uses, so that a sample counts only what is in use.
type memory struct {
	before int
}

func (m *memory) begin() { m.before = resident() }

func (m *memory) giveBack() {
	if resident()-m.before > slack {
		debug.FreeOSMemory() // a collection too; without it the scavenger gives back in its own time, over seconds
	}
}

// resident are the bytes of this process that are in memory; slack + 1 where the system has no statm
// (proc_pid_statm(5)).
func resident() int {
	fd, err := syscall.Open("/proc/self/statm", syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return slack + 1
	}
	defer syscall.Close(fd)
	text := make([]byte, 256)
	n, _ := syscall.Read(fd, text)
	if fields := strings.Fields(string(text[:max(0, n)])); len(fields) > 1 {
		pages, _ := strconv.Atoi(fields[1])
		return pages * os.Getpagesize()
	}
	return slack + 1
}

// place is a line of a file.
type place struct {
	File string `json:"file"`
	Line int    `json:"line"`
}

var frame = regexp.MustCompile(`(?m)^\t(.+\.go):(\d+)(?: \+0x[0-9a-f]+)?(?: \w+=\w+)*$`)

// places are the lines of files of a folder in a stack, the outermost first, as Python has it.
func places(stack []byte, folder string) (found []place) {
	for _, m := range frame.FindAllSubmatch(stack, -1) {
		// The jump of an empty loop has no line of its own.
		if line, _ := strconv.Atoi(string(m[2])); line > 0 && filepath.Dir(string(m[1])) == folder {
			found = append(found, place{string(m[1]), line})
		}
	}
	slices.Reverse(found)
	return found
}

// call is what the stack of the goroutine has that calls the half.
var call = []byte("worker.(*worker).call(")

func allStacks() []byte {
	for size := 1 << 20; ; size *= 2 {
		text := make([]byte, size)
		if n := runtime.Stack(text, true); n < size {
			return text[:n]
		}
	}
}

// tellWhereItHangs writes, on SIGUSR1, the lines of the half that its call is at, in the form of Python's faulthandler.
func tellWhereItHangs(folder string) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGUSR1)
	for range signals {
		for _, goroutine := range bytes.Split(allStacks(), []byte("\n\n")) {
			if bytes.Contains(goroutine, call) {
				at := places(goroutine, folder)
				slices.Reverse(at) // the innermost first, as faulthandler has it
				for _, p := range at {
					fmt.Fprintf(os.Stderr, "File %q, line %d in Run\n", p.File, p.Line)
				}
			}
		}
		_, _ = io.WriteString(os.Stderr, "File \"worker.go\", line 1 in <module>\n")
	}
}

// plan is what a witness looks at.
type plan struct {
	Left map[string]float64 `json:"left"`
	Held map[string]float64 `json:"held"`
	Late *float64           `json:"late"`
}

// witness says what is there inside, in a run that is not measured.
type witness struct {
	worker *worker
	plan   plan
	before map[string]bool // the goroutines that were there before the half was called
	lines  lineFixer
}

// sampledEvery is in bytes: of larger pieces of memory, each is seen.
const sampledEvery = 1 << 16

// quiet is the time in which nothing must have changed before what is left is looked at, and patience what is waited
// for that.
const quiet, patience = 500 * time.Millisecond, 2 * time.Second

func newWitness(w *worker, plan plan) *witness {
	runtime.MemProfileRate = sampledEvery
	it := &witness{worker: w, plan: plan, before: map[string]bool{}, lines: newLineFixer()}
	for _, each := range bytes.Split(allStacks(), []byte("\n\n")) {
		it.before[idOf(each)] = true
	}
	return it
}

func (w *witness) begin() {
	if w != nil && w.plan.Late != nil {
		time.AfterFunc(time.Duration(*w.plan.Late*float64(time.Second)), func() { w.look("late") })
	}
}

// look says what is there at a moment, if the plan asks for it. The call itself is told only while it goes on.
func (w *witness) look(moment string) {
	if w == nil || moment == "left" && len(w.plan.Left) == 0 || moment == "end" && len(w.plan.Held) == 0 {
		return
	}
	if moment == "left" {
		settle()
	}
	// After it, what can never go on is marked as such in the stacks (runtime/pprof, "goroutineleak").
	if profile := pprof.Lookup("goroutineleak"); profile != nil {
		_ = profile.WriteTo(io.Discard, 0)
	}
	var stacks [][]byte
	for _, each := range bytes.Split(allStacks(), []byte("\n\n")) {
		own, _, _ := bytes.Cut(each, []byte(originating))
		isCall, isOurs := bytes.Contains(own, call), bytes.Contains(own, []byte("worker.(*witness)"))
		if isCall && moment == "late" || !isCall && !isOurs && !w.before[idOf(each)] {
			stacks = append(stacks, w.lines.fix(each, w.worker.folder))
		}
	}
	w.worker.channel.say(message{
		"say": "evidence", "moment": moment, "groups": []any{}, "cpu": cpuSeconds(), "error": "",
		"stacks": string(bytes.Join(stacks, []byte("\n\n"))), "heap": heap(),
	})
}

func settle() {
	count, since := runtime.NumGoroutine(), time.Now()
	for begun := time.Now(); time.Since(since) < quiet && time.Since(begun) < patience; time.Sleep(countEvery) {
		if now := runtime.NumGoroutine(); now != count {
			count, since = now, time.Now()
		}
	}
}

var goroutineID = regexp.MustCompile(`^goroutine (\d+) `)

func idOf(stack []byte) string {
	if found := goroutineID.FindSubmatch(stack); found != nil {
		return string(found[1])
	}
	return ""
}

// heap is the memory in use, by the stacks that allocated it: bytes, and lines from the innermost.
func heap() (all []message) {
	records := make([]runtime.MemProfileRecord, 1024)
	for {
		n, ok := runtime.MemProfile(records, false)
		if ok {
			records = records[:n]
			break
		}
		records = make([]runtime.MemProfileRecord, n+256)
	}
	for _, record := range records {
		if record.InUseBytes() < slack {
			continue
		}
		var lines []any
		frames := runtime.CallersFrames(record.Stack())
		for {
			frame, more := frames.Next()
			lines = append(lines, []any{frame.File, frame.Line, frame.Function})
			if !more {
				break
			}
		}
		all = append(all, message{"bytes": record.InUseBytes(), "stack": lines})
	}
	return all
}

// lineFixer mends the lines of the stacks at which goroutines were started: the runtime has them from the address that
// a call returns to, which may belong to the next line. It takes the address before it, if it can find the function.
type lineFixer struct {
	table *gosym.Table
}

func newLineFixer() (fixer lineFixer) {
	path, err := os.Executable()
	if err != nil {
		return fixer
	}
	file, err := elf.Open(path) // elsewhere than on Linux the lines stay as they are
	if err != nil {
		return fixer
	}
	defer file.Close()
	text, lines := file.Section(".text"), file.Section(".gopclntab")
	if text == nil || lines == nil {
		return fixer
	}
	if data, err := lines.Data(); err == nil {
		fixer.table, _ = gosym.NewTable(nil, gosym.NewLineTable(data, text.Addr))
	}
	return fixer
}

const originating = "\n[originating from goroutine "

var ancestor = regexp.MustCompile(`(?m)^(\S.*)\(\.\.\.\)\n\t(.+\.go):(\d+) \+0x([0-9a-f]+)$`)

func (f lineFixer) fix(stack []byte, folder string) []byte {
	at := bytes.Index(stack, []byte(originating))
	if f.table == nil || at < 0 {
		return stack
	}
	fixed := ancestor.ReplaceAllFunc(stack[at:], func(text []byte) []byte {
		m := ancestor.FindSubmatch(text)
		function, file := string(m[1]), string(m[2])
		if filepath.Dir(file) != folder {
			return text
		}
		offset, err := strconv.ParseUint(string(m[4]), 16, 64)
		known := f.table.LookupFunc(function)
		if err != nil || known == nil {
			return text
		}
		if at, number, _ := f.table.PCToLine(known.Entry + offset - 1); at == file {
			return fmt.Appendf(nil, "%s(...)\n\t%s:%d +0x%x", function, file, number, offset)
		}
		return text
	})
	return slices.Concat(stack[:at], fixed)
}
