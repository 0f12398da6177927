package pgstandin

import (
	"cmp"
	"slices"
	"strconv"
)

// A plan is a statement that was understood. Its verb is the first word of what
// CommandComplete says, and empty for an empty statement.
type plan struct {
	verb       string
	columns    []column
	parameters []*kind

	// Of SELECT from a table.
	table      *table
	picks      []int // the table's columns
	count      bool  // of the rows, instead of them
	conditions []condition
	order      []orderKey
	limit      *operand

	constants []any  // of SELECT from nothing
	setting   string // of SHOW, in small letters

	readOnly  bool   // of BEGIN
	isolation string // of BEGIN, empty for the default
}

// An operand is a value, or the parameter that will be one.
type operand struct {
	parameter int // from 1; 0 means value
	value     any
}

func (o *operand) get(arguments []any) any {
	if o.parameter > 0 {
		return arguments[o.parameter-1]
	}
	return o.value
}

// A condition compares a column. The operator is one of the signs, or "null"
// and "not null".
type condition struct {
	column   int
	operator string
	operand  operand
}

func (c *condition) holds(row, arguments []any) bool {
	value := row[c.column]
	switch c.operator {
	case "null":
		return value == nil
	case "not null":
		return value != nil
	}
	other := c.operand.get(arguments)
	if value == nil || other == nil {
		return false
	}
	order := compare(value, other)
	switch c.operator {
	case "=":
		return order == 0
	case "<>", "!=":
		return order != 0
	case "<":
		return order < 0
	case "<=":
		return order <= 0
	case ">":
		return order > 0
	}
	return order >= 0
}

// compare orders two values of one kind; NULL is the greatest.
func compare(a, b any) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return 1
	case b == nil:
		return -1
	}
	if n, ok := a.(int64); ok {
		return cmp.Compare(n, b.(int64))
	}
	return cmp.Compare(a.(string), b.(string))
}

type orderKey struct {
	column     int
	descending bool
}

// run returns the rows of a SELECT.
func (p *plan) run(arguments []any) ([][]any, error) {
	if p.table == nil {
		return [][]any{p.constants}, nil
	}
	limit := -1
	if p.limit != nil {
		if n, ok := p.limit.get(arguments).(int64); ok && n < 0 {
			return nil, errorf(codeInvalidRowCount, "LIMIT must not be negative")
		} else if ok {
			limit = int(min(n, 1<<30))
		}
	}
	var found [][]any
	for _, row := range p.table.rows {
		if !slices.ContainsFunc(p.conditions, func(c condition) bool { return !c.holds(row, arguments) }) {
			found = append(found, row)
		}
	}
	if p.count {
		found = [][]any{{int64(len(found))}}
	}
	slices.SortStableFunc(found, func(a, b []any) int {
		for _, k := range p.order {
			order := compare(a[k.column], b[k.column])
			if k.descending {
				order = -order
			}
			if order != 0 {
				return order
			}
		}
		return 0
	})
	if limit >= 0 && limit < len(found) {
		found = found[:limit]
	}
	if p.count {
		return found, nil
	}
	rows := make([][]any, len(found))
	for i, row := range found {
		for _, pick := range p.picks {
			rows[i] = append(rows[i], row[pick])
		}
	}
	return rows, nil
}

// arguments reads the values that were bound to the parameters.
func (p *plan) arguments(values [][]byte) ([]any, error) {
	if len(values) != len(p.parameters) {
		return nil, errorf(codeProtocolViolation, "bind message supplies %d parameters, but prepared statement \"\" requires %d", len(values), len(p.parameters))
	}
	arguments := make([]any, len(values))
	for i, v := range values {
		if v == nil {
			continue
		}
		var err error
		if arguments[i], err = p.parameters[i].parse(string(v)); err != nil {
			return nil, err
		}
	}
	return arguments, nil
}

// tag is what CommandComplete says.
func (p *plan) tag(rows int) string {
	if p.verb == "SELECT" {
		return "SELECT " + strconv.Itoa(rows)
	}
	return p.verb
}
