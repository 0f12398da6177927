package pgstandin

import "math"

// An item is a part of a SELECT's list before it is known what it is from.
type item struct {
	column string // of the table
	star   bool
	count  bool
	kind   *kind // of a constant
	value  any
	as     string
}

func (p *parser) parseSelect() error {
	p.plan.verb = "SELECT"
	var items []item
	for more := true; more; more = p.symbol(",") {
		i, err := p.item()
		if err != nil {
			return err
		}
		items = append(items, i)
	}
	if !p.word("from") {
		return p.constants(items)
	}
	name, err := p.name()
	if err != nil {
		return err
	}
	if p.plan.table = p.server.tables[name]; p.plan.table == nil {
		return errorf(codeUndefinedTable, "relation %q does not exist", name)
	}
	if err := p.resolve(items); err != nil {
		return err
	}
	if p.word("where") {
		for more := true; more; more = p.word("and") {
			if err := p.condition(); err != nil {
				return err
			}
		}
	}
	if !p.plan.count && p.words("order", "by") {
		for more := true; more; more = p.symbol(",") {
			if err := p.orderKey(items); err != nil {
				return err
			}
		}
	}
	if p.word("limit") {
		return p.parseLimit()
	}
	return nil
}

func (p *parser) item() (i item, err error) {
	switch t := p.next(); {
	case p.symbol("*"):
		return item{star: true}, nil
	case t.sort == tokenNumber, t == token{tokenSymbol, "-"}:
		n, err := p.number()
		if err != nil {
			return i, err
		}
		i = item{as: "?column?", kind: integerKind(n), value: n}
	case p.word("current_user"):
		i = item{as: "current_user", kind: kindName, value: p.server.User}
	default:
		if i.column, err = p.name(); err != nil {
			return i, err
		}
		switch i.as = i.column; {
		case !p.symbol("("):
		case t.sort == tokenWord && i.column == "count" && p.symbol("*") && p.symbol(")"):
			i.count = true
		case t.sort == tokenWord && i.column == "current_database" && p.symbol(")"):
			i.kind, i.value = kindName, p.server.Database
		default:
			return i, unsupported("the function %s", i.column)
		}
	}
	if p.word("as") {
		i.as, err = p.name()
	}
	return i, err
}

func integerKind(n int64) *kind {
	if n < math.MinInt32 || n > math.MaxInt32 {
		return kindBigint
	}
	return kindInteger
}

// constants finishes a SELECT from nothing.
func (p *parser) constants(items []item) error {
	for _, i := range items {
		switch {
		case i.star || i.count:
			return unsupported("a SELECT of rows from no table")
		case i.kind == nil:
			return errorf(codeUndefinedColumn, "column %q does not exist", i.column)
		}
		p.plan.columns = append(p.plan.columns, column{i.as, i.kind})
		p.plan.constants = append(p.plan.constants, i.value)
	}
	return nil
}

// resolve finds the items in the table.
func (p *parser) resolve(items []item) error {
	for _, i := range items {
		switch {
		case i.kind != nil:
			return unsupported("a constant in a SELECT from a table")
		case i.count && len(items) > 1:
			return unsupported("count(*) beside other columns")
		case i.count:
			p.plan.count = true
			p.plan.columns = []column{{i.as, kindBigint}}
		case i.star:
			for at, c := range p.plan.table.columns {
				p.plan.picks = append(p.plan.picks, at)
				p.plan.columns = append(p.plan.columns, c)
			}
		default:
			at, err := p.plan.table.find(i.column)
			if err != nil {
				return err
			}
			p.plan.picks = append(p.plan.picks, at)
			p.plan.columns = append(p.plan.columns, column{i.as, p.plan.table.columns[at].kind})
		}
	}
	return nil
}

func (p *parser) condition() error {
	name, err := p.name()
	if err != nil {
		return err
	}
	at, err := p.plan.table.find(name)
	if err != nil {
		return err
	}
	add := func(operator string) error {
		o, err := p.operand(p.plan.table.columns[at].kind, operator)
		p.plan.conditions = append(p.plan.conditions, condition{at, operator, o})
		return err
	}
	switch {
	case p.words("is", "null"):
		p.plan.conditions = append(p.plan.conditions, condition{column: at, operator: "null"})
		return nil
	case p.words("is", "not", "null"):
		p.plan.conditions = append(p.plan.conditions, condition{column: at, operator: "not null"})
		return nil
	case p.word("between"):
		if err := add(">="); err != nil {
			return err
		}
		if !p.word("and") {
			return p.unexpected()
		}
		return add("<=")
	}
	for _, operator := range []string{"=", "<>", "!=", "<", "<=", ">", ">="} {
		if p.symbol(operator) {
			return add(operator)
		}
	}
	return p.unexpected()
}

// operand reads what a column of this kind is compared with.
func (p *parser) operand(k *kind, operator string) (operand, error) {
	mismatch := func(other *kind) error {
		if operator == "!=" {
			operator = "<>"
		}
		return errorf(codeUndefinedFunction, "operator does not exist: %s %s %s", k.name, operator, other.name)
	}
	switch t := p.next(); {
	case t.sort == tokenText:
		p.take()
		v, err := k.parse(t.text)
		return operand{value: v}, err
	case t.sort == tokenNumber, t == token{tokenSymbol, "-"}:
		n, err := p.number()
		if err == nil && !k.number() {
			err = mismatch(integerKind(n))
		}
		return operand{value: n}, err
	case t.sort == tokenParameter:
		p.take()
		as, err := p.cast()
		if err != nil {
			return operand{}, err
		}
		if as == nil {
			as = k
		}
		if as != k && (!as.number() || !k.number()) {
			return operand{}, mismatch(as)
		}
		return p.declare(t, as)
	case t.sort == tokenQuoted:
		// The scenario's own mistake: text in double quotes is a column's name.
		if _, err := p.plan.table.find(t.text); err != nil {
			return operand{}, err
		}
	}
	return operand{}, p.unexpected()
}

// orderKey reads a column to order by: the result's name of it, or the table's.
func (p *parser) orderKey(items []item) error {
	name, err := p.name()
	if err != nil {
		return err
	}
	for _, i := range items {
		if i.as == name {
			name = i.column
			break
		}
	}
	at, err := p.plan.table.find(name)
	if err != nil {
		return err
	}
	k := orderKey{column: at, descending: p.word("desc")}
	if !k.descending {
		p.word("asc")
	}
	p.plan.order = append(p.plan.order, k)
	return nil
}

func (p *parser) parseLimit() error {
	if t := p.next(); t.sort == tokenParameter {
		p.take()
		o, err := p.declare(t, kindBigint)
		p.plan.limit = &o
		return err
	}
	n, err := p.number()
	p.plan.limit = &operand{value: n}
	return err
}
