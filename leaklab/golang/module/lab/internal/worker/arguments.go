package worker

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// arguments are the values of the workload in its order, as the types that Run takes.
func (w *worker) arguments(workload json.RawMessage, run reflect.Type) ([]reflect.Value, error) {
	if run.Kind() != reflect.Func {
		return nil, fmt.Errorf("Run is of type %s: it must be a function", run)
	}
	if run.IsVariadic() {
		return nil, fmt.Errorf("Run is variadic (%s): it takes one value for each argument", run)
	}
	decoder := json.NewDecoder(bytes.NewReader(workload))
	if _, err := decoder.Token(); err != nil {
		return nil, err
	}
	var names []string
	var values []json.RawMessage
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return nil, err
		}
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return nil, err
		}
		names, values = append(names, fmt.Sprint(name)), append(values, value)
	}
	if run.NumIn() != len(values) {
		return nil, fmt.Errorf("Run takes %d arguments (%s): it is given %d (%s)",
			run.NumIn(), run, len(values), strings.Join(names, ", "))
	}
	var arguments []reflect.Value
	for n, raw := range values {
		value, err := w.argument(raw, run.In(n))
		if err != nil {
			return nil, fmt.Errorf("the argument %s of Run is of type %s: %w", names[n], run.In(n), err)
		}
		arguments = append(arguments, value)
	}
	return arguments, nil
}

func (w *worker) argument(raw json.RawMessage, kind reflect.Type) (reflect.Value, error) {
	var marked struct {
		Steps *struct {
			Count int `json:"count"`
			Item  any `json:"item"`
		} `json:"$steps"`
	}
	if json.Unmarshal(raw, &marked) == nil && marked.Steps != nil {
		if !isSequence(kind) {
			return reflect.Value{}, fmt.Errorf("it must be an iter.Seq[%T]", filled(marked.Steps.Item, 1))
		}
		s := &steps{worker: w, count: marked.Steps.Count, item: marked.Steps.Item, taken: make([]bool, marked.Steps.Count)}
		if _, err := converted(filled(s.item, 1), itemOf(kind)); err != nil {
			return reflect.Value{}, err
		}
		return s.sequence(kind), nil
	}
	var value any
	if err := json.Unmarshal(raw, &value); err != nil {
		return reflect.Value{}, err
	}
	return converted(value, kind)
}

// isSequence tells whether kind is an iter.Seq: func(yield func(V) bool).
func isSequence(kind reflect.Type) bool {
	if kind.Kind() != reflect.Func || kind.NumIn() != 1 || kind.NumOut() != 0 {
		return false
	}
	yield := kind.In(0)
	return yield.Kind() == reflect.Func && yield.NumIn() == 1 && yield.NumOut() == 1 && yield.Out(0).Kind() == reflect.Bool
}

func itemOf(sequence reflect.Type) reflect.Type { return sequence.In(0).In(0) }

// converted is a value of JSON as a type of Go; seconds become a time.Duration.
func converted(value any, kind reflect.Type) (reflect.Value, error) {
	if number, is := value.(float64); is && kind == reflect.TypeFor[time.Duration]() {
		return reflect.ValueOf(time.Duration(number * float64(time.Second))), nil
	}
	if number, is := value.(int); is && kind == reflect.TypeFor[int]() {
		return reflect.ValueOf(number), nil
	}
	if text, is := value.(string); is && kind == reflect.TypeFor[string]() {
		return reflect.ValueOf(text), nil
	}
	text, err := json.Marshal(value)
	if err != nil {
		return reflect.Value{}, err
	}
	made := reflect.New(kind)
	if err := json.Unmarshal(text, made.Interface()); err != nil {
		return reflect.Value{}, fmt.Errorf("it cannot take %s", text)
	}
	return made.Elem(), nil
}

// filled is one item: the template with {n} replaced in every string, or the number itself.
func filled(template any, number int) any {
	switch it := template.(type) {
	case nil:
		return number
	case string:
		return strings.ReplaceAll(it, "{n}", strconv.Itoa(number))
	case []any:
		all := make([]any, len(it))
		for n, each := range it {
			all[n] = filled(each, number)
		}
		return all
	case map[string]any:
		all := make(map[string]any, len(it))
		for key, each := range it {
			all[key] = filled(each, number)
		}
		return all
	}
	return template
}
