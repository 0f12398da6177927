package cleanroom

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
)

// MergeConflict is one place where two documents say different things.
type MergeConflict struct {
	// Path is the place, as in datasinks[consumer-output].store.name.
	Path string
	// Document is the position of the document that disagrees with those
	// before it: 1 is the first one after the base. Holder is the position of
	// the one that said it first, 0 being the base.
	Document, Holder int
	// Party and HolderParty say whose the two are, as [MergeParties] was told;
	// empty for [Merge].
	Party, HolderParty string
	// Merged and Other are what Holder says and what Document says, as short
	// texts.
	Merged, Other string
}

// MergeConflictError lists every conflict of a merge.
type MergeConflictError struct{ Conflicts []MergeConflict }

// Error names each conflict on a line, the first 20 of many.
func (e *MergeConflictError) Error() string {
	var b strings.Builder
	b.WriteString("cleanroom: merge specifications: the parties must agree on")
	writeLines(&b, e.Conflicts, func(c MergeConflict) string {
		return fmt.Sprintf("%s: %s says %s, but %s says %s", c.Path, whose(c.HolderParty, c.Holder), c.Merged, whose(c.Party, c.Document), c.Other)
	})
	return b.String()
}

func whose(party string, document int) string {
	switch {
	case party != "":
		return party
	case document == 0:
		return "the base"
	}
	return fmt.Sprintf("document %d", document)
}

// PartyDocument is a document and whose it is.
type PartyDocument struct {
	Party    string
	Document *Specification
}

// Merge unites the documents of several parties in a new one. Lists have the
// base's entries first, then each new one of the others in order. Entries
// with a name that are equal become one; with different content they are a
// conflict. Sandbox, governance and network are merged field by field, the
// allowed addresses united. No argument is changed.
//
// All conflicts are reported together, in a [*MergeConflictError].
func Merge(base *Specification, others ...*Specification) (*Specification, error) {
	parties := []PartyDocument{{Document: base}}
	for _, s := range others {
		parties = append(parties, PartyDocument{Document: s})
	}
	return MergeParties(parties...)
}

// MergeParties is [Merge], the first one being the base, with conflicts that
// name the parties.
func MergeParties(parties ...PartyDocument) (*Specification, error) {
	merged := new(Specification)
	m := merger{parties: parties, origins: map[string]int{}}
	if len(parties) == 0 {
		return nil, errors.New("cleanroom: merge specifications: there is no document")
	}
	for i, party := range parties {
		s := party.Document
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
	parties   []PartyDocument
	document  int
	conflicts []MergeConflict
	// origins are the documents after the base that brought what is at a
	// path, and with it all below.
	origins map[string]int
}

// bring notes where what is at a path is from.
func (m *merger) bring(path string) {
	if m.document > 0 {
		m.origins[path] = m.document
	}
}

// holder is the document that brought what is at a path.
func (m *merger) holder(path string) int {
	for path != "" {
		if document, ok := m.origins[path]; ok {
			return document
		}
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
	}
	return 0
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
			m.bring(path)
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
			element := path + "[" + name + "]"
			if at, ok := byName[name]; ok {
				if !reflect.DeepEqual(to.Index(at).Interface(), v.Interface()) {
					m.equal(to.Index(at), v, element)
				}
				continue
			}
			m.bring(element)
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
