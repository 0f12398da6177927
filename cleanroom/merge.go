package cleanroom

import (
	"fmt"
	"reflect"
	"strings"
)

// MergeConflict is one place where two documents say different things.
type MergeConflict struct {
	// Path is the place, as in datasinks[consumer-output].store.name.
	Path string
	// Document is the position of the document that disagrees with those
	// before it: 1 is the first one after the base.
	Document int
	// Merged and Other are what the documents before it say and what it
	// says, as short texts.
	Merged, Other string
}

// MergeConflictError lists every conflict of a merge.
type MergeConflictError struct{ Conflicts []MergeConflict }

// Error names each conflict on a line, the first 20 of many.
func (e *MergeConflictError) Error() string {
	var b strings.Builder
	b.WriteString("cleanroom: merge specifications: the parties must agree on")
	writeLines(&b, e.Conflicts, func(c MergeConflict) string {
		return fmt.Sprintf("%s: %s, but document %d says %s", c.Path, c.Merged, c.Document, c.Other)
	})
	return b.String()
}

// Merge unites the documents of several parties in a new one. Lists have the
// base's entries first, then each new one of the others in order. Entries
// with a name that are equal become one; with different content they are a
// conflict. Sandbox, governance and network are merged field by field, the
// allowed addresses united. No argument is changed.
//
// All conflicts are reported together, in a [*MergeConflictError].
func Merge(base *Specification, others ...*Specification) (*Specification, error) {
	merged := new(Specification)
	m := merger{}
	for i, s := range append([]*Specification{base}, others...) {
		if s == nil {
			return nil, fmt.Errorf("cleanroom: merge specifications: document %d is nil", i)
		}
		if i == 0 {
			merged.Generation = s.Generation
		} else if s.Generation != merged.Generation {
			return nil, fmt.Errorf("cleanroom: merge specifications: document %d is of generation %s, those before it are of %s; upgrade the older", i, s.Generation, merged.Generation)
		}
		m.document = i
		m.structure(reflect.ValueOf(merged).Elem(), reflect.ValueOf(s.clone()).Elem(), "")
	}
	if len(m.conflicts) > 0 {
		return nil, &MergeConflictError{Conflicts: m.conflicts}
	}
	return merged, nil
}

type merger struct {
	document  int
	conflicts []MergeConflict
}

// structure merges the fields of a document's object.
func (m *merger) structure(to, from reflect.Value, path string) {
	for _, f := range fieldsOf(to.Type(), anyGeneration) {
		m.value(to.Field(f.index), from.Field(f.index), join(path, f.name))
	}
}

// value merges one field. A null leaves what is there.
func (m *merger) value(to, from reflect.Value, path string) {
	switch to.Kind() {
	case reflect.Pointer:
		switch {
		case from.IsNil():
		case to.IsNil():
			to.Set(from)
		default:
			m.value(to.Elem(), from.Elem(), path)
		}
	case reflect.Slice:
		m.list(to, from, path)
	case reflect.Struct:
		if p, ok := to.Addr().Interface().(*PolicyBody); ok {
			m.policy(p, from.Addr().Interface().(*PolicyBody), path)
			return
		}
		if _, ok := to.Addr().Interface().(union); ok {
			m.equal(to, from, path)
			return
		}
		m.structure(to, from, path)
	default:
		m.equal(to, from, path)
	}
}

// policy merges two policies of one kind; an inline one and one in a registry
// are a conflict.
func (m *merger) policy(to, from *PolicyBody, path string) {
	if (to.External == nil) != (from.External == nil) {
		m.conflict(path, encodeNode(reflect.ValueOf(to)), encodeNode(reflect.ValueOf(from)))
		return
	}
	m.value(reflect.ValueOf(to.wire()), reflect.ValueOf(from.wire()), path)
}

// list appends what is new. Elements with a name must agree with those of the
// same name.
func (m *merger) list(to, from reflect.Value, path string) {
	if from.IsNil() {
		return
	}
	if to.IsNil() {
		to.Set(reflect.MakeSlice(to.Type(), 0, from.Len()))
	}
	byName, byValue := map[string]int{}, map[string]bool{}
	// Of what has a name that is all that tells it from others; the rest is
	// compared whole.
	add := func(i int, v reflect.Value) {
		if name, ok := nameOf(v); ok {
			byName[name] = i
		} else {
			byValue[fingerprint(v)] = true
		}
	}
	for i := range to.Len() {
		add(i, to.Index(i))
	}
	for i := range from.Len() {
		v := from.Index(i)
		if name, ok := nameOf(v); ok {
			if at, ok := byName[name]; ok {
				if !reflect.DeepEqual(to.Index(at).Interface(), v.Interface()) {
					m.equal(to.Index(at), v, fmt.Sprintf("%s[%s]", path, name))
				}
				continue
			}
		} else if byValue[fingerprint(v)] {
			continue
		}
		to.Set(reflect.Append(to, v))
		add(to.Len()-1, v)
	}
}

// equal records a conflict for each place where the two differ.
func (m *merger) equal(to, from reflect.Value, path string) {
	m.conflict(path, encodeNode(to.Addr()), encodeNode(from.Addr()))
}

func nameOf(v reflect.Value) (string, bool) {
	switch e := v.Addr().Interface().(type) {
	case *Identity:
		return e.Name, true
	case *AccessPoint:
		return e.Name, true
	case *Application:
		return e.Name, true
	}
	return "", false
}
