package cleanroom

import (
	"cmp"
	"reflect"
	"slices"
	"strings"
	"sync"
)

// field is one field of a struct of the document.
type field struct {
	name     string
	index    int
	required bool
}

type fieldsKey struct {
	of reflect.Type
	in Generation
}

var fieldCache sync.Map // of fieldsKey to []field

// fieldsOf returns the fields that a struct has in a form, in the order in
// which they are written: by name. The options of a tag are required,
// required-g1, and g1 or g2 for a field of that form alone.
func fieldsOf(t reflect.Type, g Generation) []field {
	key := fieldsKey{t, g}
	if cached, ok := fieldCache.Load(key); ok {
		return cached.([]field)
	}
	var fields []field
	for i := range t.NumField() {
		tag, ok := t.Field(i).Tag.Lookup("yaml")
		if !ok {
			continue
		}
		name, options, _ := strings.Cut(tag, ",")
		f, only := field{name: name, index: i}, ""
		for option := range strings.SplitSeq(options, ",") {
			switch option {
			case "required":
				f.required = true
			case "required-g1":
				f.required = g == G1
			default:
				only = option
			}
		}
		if g.has(only) {
			fields = append(fields, f)
		}
	}
	slices.SortFunc(fields, func(a, b field) int { return cmp.Compare(a.name, b.name) })
	fieldCache.Store(key, fields)
	return fields
}

func fieldNamed(fields []field, name string) *field {
	for i := range fields {
		if fields[i].name == name {
			return &fields[i]
		}
	}
	return nil
}

func fieldNames(fields []field) []string {
	var names []string
	for _, f := range fields {
		names = append(names, f.name)
	}
	return names
}

func contains(list []string, s string) bool { return slices.Contains(list, s) }

// suggestion names the known word nearest to a wrong one, or all of them if
// none is near.
func suggestion(wrong string, known []string) string {
	best, distance := "", len(wrong)/2+1
	for _, k := range known {
		if d := editDistance(strings.ToLower(wrong), strings.ToLower(k), distance); d < distance {
			best, distance = k, d
		}
	}
	if best != "" {
		return "did you mean " + best + "?"
	}
	return "known are " + strings.Join(known, ", ")
}

// editDistance is Levenshtein's, or limit if it is at least that. Both words
// are short: a longer one cannot be near a name of the document.
func editDistance(a, b string, limit int) int {
	if len(a) > 80 || len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, diagonal+1)
		}
	}
	return min(row[len(b)], limit)
}
