package worker

import (
	"fmt"
	"reflect"
	"sync"
	"time"
)

// steps are the items of a workload: each is one step when it is taken for the first time.
type steps struct {
	worker *worker
	count  int
	item   any

	mu     sync.Mutex
	taken  []bool
	begun  int
	next   int // no pause before this one
	isOver bool
}

// sequence makes an iter.Seq of any type of items.
func (s *steps) sequence(kind reflect.Type) reflect.Value {
	return reflect.MakeFunc(kind, func(arguments []reflect.Value) []reflect.Value {
		yield, item := arguments[0], itemOf(kind)
		for n := range s.count {
			s.take(n)
			value, err := converted(filled(s.item, n+1), item)
			if err != nil {
				panic(err)
			}
			if !yield.Call([]reflect.Value{value})[0].Bool() {
				return nil
			}
		}
		s.end()
		return nil
	})
}

func (s *steps) take(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.taken[n] {
		s.taken[n] = true
		s.mark("step")
	}
}

func (s *steps) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.isOver {
		s.isOver = true
		s.mark("end")
	}
}

// mark reports that a step begins; it waits for the runner where that wants to take a sample.
func (s *steps) mark(what string) {
	w, done, isStep := s.worker, s.begun, what == "step"
	if isStep {
		s.begun++
	}
	if w.witness != nil {
		if !isStep {
			w.witness.look("end")
		}
		return
	}
	pauses := !isStep || done >= s.next
	if !pauses && s.begun < s.count {
		w.inside.setSteps(s.begun)
		return
	}
	before, cpu, at := time.Now(), cpuSeconds(), w.clock.read()
	if pauses {
		w.memory.giveBack()
		w.inside.count()
	}
	w.channel.send(fmt.Appendf(nil, `{"say":"%s","done":%d,"at":%.6f,"pause":%t}`+"\n", what, done, at, pauses))
	if !pauses {
		return // the last step: what comes now is watched closely
	}
	var answer order
	w.channel.hear(&answer)
	s.next = answer.Next
	w.clock.leaveOut(before, cpu)
}
