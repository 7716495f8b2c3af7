// Package worker runs one half that is written in Go and speaks leaklab's worker protocol (docs/protocol.md).
package worker

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// answerLimit is in characters of JSON; a larger answer is not sent.
const answerLimit = 4 << 20

// wordsLimit is in bytes; a longer message of an error is cut off.
const wordsLimit = 500

// kindsLimit is the number of types that are told of an error.
const kindsLimit = 50

// placesLimit is the number of places that are told of an error.
const placesLimit = 5

// order is what the runner says; each message has some of these keys.
type order struct {
	Limits   map[string]uint64 `json:"limits"`
	Steps    string            `json:"steps"`
	Half     string            `json:"half"`
	Lifetime int               `json:"lifetime"`
	Plan     *plan             `json:"plan"`
	Workload json.RawMessage   `json:"workload"`
	Next     int               `json:"next"`
}

// worker runs one half for the runner.
type worker struct {
	channel channel
	clock   clock
	memory  memory
	inside  *counts
	witness *witness // nil in a run that is measured
	folder  string   // of the half's file
}

// Main runs a half: the function Run of its package.
func Main(run any) {
	fd, err := strconv.Atoi(strings.Join(os.Args[1:], " "))
	if err != nil {
		fmt.Fprintln(os.Stderr, "usage: half DESCRIPTOR")
		os.Exit(2)
	}
	runtime.MemProfileRate = 0 // it would add to what is measured
	syscall.CloseOnExec(fd)
	w := &worker{channel: channel{fd: fd}}
	var first, second order
	w.channel.hear(&first)
	limit(first.Limits)
	w.inside = countsIn(first.Steps)
	w.channel.hear(&second)
	w.folder = filepath.Dir(second.Half)
	lifetime := time.AfterFunc(seconds(second.Lifetime), func() { os.Exit(128 + int(syscall.SIGALRM)) })
	go tellWhereItHangs(w.folder)

	function := reflect.ValueOf(run)
	var loaded, begun order
	w.channel.say(message{"say": "loaded"})
	w.channel.hear(&loaded)
	arguments, err := w.arguments(loaded.Workload, function.Type())
	if err == nil && function.IsNil() {
		err = errors.New("Run is nil: it must be a function")
	}
	if err != nil {
		w.channel.say(message{"say": "unloadable", "error": failure("wrong signature", nil, err.Error(), nil)})
		w.channel.hear(&begun)
		os.Exit(0)
	}
	go w.inside.keep()
	w.collect()
	w.memory.begin()
	if second.Plan != nil {
		w.witness = newWitness(w, *second.Plan)
	}
	w.inside.count()
	w.channel.say(message{"say": "ready"})
	w.channel.hear(&begun)
	limit(begun.Limits)
	lifetime.Reset(seconds(begun.Lifetime))
	w.clock.begin()
	w.witness.begin()
	w.call(function, arguments)
	clear(arguments)
	w.leave()
}

// leave does what is left to do after the call.
func (w *worker) leave() {
	var over order
	w.collect()
	w.witness.look("left")
	w.inside.count()
	w.channel.say(message{"say": "collected"})
	w.channel.hear(&over)
	os.Exit(0)
}

func seconds(n int) time.Duration { return time.Duration(n) * time.Second }

// collect gives back all memory that is not in use: what finalizers and pools held is gone with the second collection.
func (w *worker) collect() {
	runtime.GC()
	debug.FreeOSMemory()
}

// call calls the half, reports how that ended, and waits for the answer.
func (w *worker) call(function reflect.Value, arguments []reflect.Value) {
	ended := false
	defer func() {
		if ended {
			return
		}
		report, reason := w.ending("raised"), recover()
		at := places(debug.Stack(), w.folder)
		if reason == nil { // nothing runs after this function, in a goroutine that ends itself
			report["did"], report["error"] = "ended by", failure("runtime.Goexit", nil, "", at)
		} else {
			report["did"], report["error"] = "ended in a", failure("panic", nil, fmt.Sprint(reason), at)
		}
		w.tell(report)
		if reason == nil {
			w.leave()
		}
	}()
	results := function.Call(arguments)
	ended = true
	report := w.ending("returned")
	if n := len(results); n > 0 {
		if err, isError := results[n-1].Interface().(error); isError {
			report["say"], report["did"] = "raised", "returned an"
			report["error"] = failure("error", err, err.Error(), nil)
			w.tell(report)
			return
		}
	}
	report["answer"], report["problem"] = plain(results)
	clear(results)
	w.tell(report)
}

// tell sends a report, and waits while a sample is taken.
func (w *worker) tell(report message) {
	var answer order
	w.memory.giveBack()
	w.inside.count()
	w.channel.say(report)
	w.channel.hear(&answer)
}

// ending begins the report of how the call ended: now.
func (w *worker) ending(say string) message {
	at, cpu := w.clock.read(), w.clock.worked()
	if w.witness != nil {
		at, cpu = 0, 0
	}
	return message{"say": say, "at": at, "cpu": cpu}
}

// plain is the first result as JSON text, or nil and the reason why it cannot be carried over.
func plain(results []reflect.Value) (answer, problem any) {
	if len(results) == 0 {
		return nil, nil
	}
	kind := results[0].Type()
	if kind.Kind() == reflect.Func || kind.Kind() == reflect.Chan {
		return nil, fmt.Sprintf("it is a %s, which is not plain data: return a slice", kind)
	}
	if kind.Kind() == reflect.Slice && results[0].IsNil() {
		return "[]", nil // as people mean it
	}
	text, err := json.Marshal(results[0].Interface())
	if err != nil {
		return nil, fmt.Sprintf("it is a %s that is not plain data (%s)", kind, err)
	}
	if len(text) > answerLimit {
		return nil, fmt.Sprintf("it is %d characters long as JSON, over %d", len(text), answerLimit)
	}
	return string(text), nil
}

// failure describes an error: what it is called, the types that it wraps, its words, and lines of the half's folder.
func failure(name string, err error, words string, at []place) message {
	kinds := []string{name}
	for ; err != nil && len(kinds) < kindsLimit; err = errors.Unwrap(err) { // an error may wrap itself
		kinds = append(kinds, strings.TrimPrefix(fmt.Sprintf("%T", err), "*"))
		if timeout, is := err.(interface{ Timeout() bool }); is && timeout.Timeout() {
			kinds = append(kinds, "TimeoutError") // what the runner calls it in every language
		}
	}
	if len(words) > wordsLimit {
		words = strings.ToValidUTF8(words[:wordsLimit], "")
	}
	if at == nil {
		at = []place{}
	}
	return message{"kinds": kinds, "message": words, "places": at[max(0, len(at)-placesLimit):]}
}

// clock counts seconds since the half was called, without the pauses; and CPU seconds.
type clock struct {
	start time.Time
	cpu   float64
}

func (c *clock) begin()          { c.start, c.cpu = time.Now(), cpuSeconds() }
func (c *clock) read() float64   { return time.Since(c.start).Seconds() }
func (c *clock) worked() float64 { return max(0, cpuSeconds()-c.cpu) }

// leaveOut leaves out what has gone by since a pause began.
func (c *clock) leaveOut(since time.Time, cpu float64) {
	c.start = c.start.Add(time.Since(since))
	c.cpu += cpuSeconds() - cpu
}

// cpuSeconds are those of this process, and of those that it started and waited for.
func cpuSeconds() (sum float64) {
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var usage syscall.Rusage
		if syscall.Getrusage(who, &usage) == nil {
			sum += float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e9
		}
	}
	return sum
}

var resources = map[string]int{
	"RLIMIT_NOFILE": syscall.RLIMIT_NOFILE, "RLIMIT_AS": syscall.RLIMIT_AS,
	"RLIMIT_FSIZE": syscall.RLIMIT_FSIZE, "RLIMIT_CORE": syscall.RLIMIT_CORE,
}

// limit keeps this process and its children within limits, by the names that Python's module resource has for them.
func limit(limits map[string]uint64) {
	for name, wanted := range limits {
		kind, known := resources[name]
		var now syscall.Rlimit
		if !known || syscall.Getrlimit(kind, &now) != nil {
			continue
		}
		value := min(wanted, uint64(now.Max))
		_ = syscall.Setrlimit(kind, &syscall.Rlimit{Cur: value, Max: value}) // one that the system refuses stays
	}
}
