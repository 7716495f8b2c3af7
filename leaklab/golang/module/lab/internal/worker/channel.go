package worker

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"sync"
	"syscall"
)

// runnerGone is the exit code of a worker whose runner is gone.
const runnerGone = 70

type message map[string]any

// channel carries lines of JSON to and from the runner. It reads and writes by system calls of its own, so that nothing
// of it is in Go's network poller.
type channel struct {
	fd     int
	buffer []byte
	mu     sync.Mutex // a line is sent whole
}

func (c *channel) say(m message) {
	line, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	c.send(append(line, '\n'))
}

func (c *channel) send(line []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(line) > 0 {
		n, err := syscall.Write(c.fd, line)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil {
			os.Exit(runnerGone)
		}
		line = line[n:]
	}
}

// hear waits for one message and decodes it into answer.
func (c *channel) hear(answer any) {
	for {
		if line, rest, ok := bytes.Cut(c.buffer, []byte("\n")); ok {
			c.buffer = bytes.Clone(rest)
			if json.Unmarshal(line, answer) != nil {
				os.Exit(runnerGone)
			}
			return
		}
		chunk := make([]byte, 1<<16)
		n, err := syscall.Read(c.fd, chunk)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil || n == 0 {
			os.Exit(runnerGone)
		}
		c.buffer = append(c.buffer, chunk[:n]...)
	}
}
