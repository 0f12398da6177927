package pgstandin

import (
	"slices"
	"strconv"
	"strings"
)

// parser reads one statement.
type parser struct {
	server *Server
	tokens []token
	plan   *plan
}

// parse understands a statement or says why not. known are the types of
// parameters that the client has declared, nil for those it has not.
func (s *Server) parse(statement string, known []*kind) (*plan, error) {
	tokens, err := lex(statement)
	if err != nil {
		return nil, err
	}
	p := &parser{server: s, tokens: tokens, plan: &plan{parameters: slices.Clone(known)}}
	for p.symbol(";") {
	}
	switch {
	case p.next().sort == tokenEnd:
		return p.plan, nil
	case p.word("select"):
		err = p.parseSelect()
	case p.word("show"):
		err = p.parseShow()
	case p.word("begin"):
		err = p.parseBegin()
	case p.words("start", "transaction"):
		err = p.parseBegin()
	case p.word("commit"), p.word("end"):
		p.plan.verb = "COMMIT"
		p.noise()
	case p.word("rollback"), p.word("abort"):
		p.plan.verb = "ROLLBACK"
		p.noise()
	default:
		first := p.next()
		err = unsupported("a statement that begins with %q", strings.ToUpper(first.text))
		if first.sort == tokenWord && slices.Contains([]string{"insert", "update", "delete"}, first.text) {
			err = &writeError{verb: strings.ToUpper(first.text), err: err}
		}
	}
	if err != nil {
		return nil, err
	}
	for p.symbol(";") {
	}
	if p.next().sort != tokenEnd {
		return nil, p.unexpected()
	}
	if i := slices.Index(p.plan.parameters, nil); i >= 0 {
		return nil, errorf(codeIndeterminateType, "could not determine data type of parameter $%d", i+1)
	}
	return p.plan, nil
}

// writeError refuses a statement that writes. Within a transaction that may only
// read, a PostgreSQL has another reason.
type writeError struct {
	verb string
	err  error
}

func (e *writeError) Error() string { return e.err.Error() }
func (e *writeError) Unwrap() error { return e.err }

func (p *parser) next() token { return p.tokens[0] }

func (p *parser) take() token {
	t := p.tokens[0]
	if t.sort != tokenEnd {
		p.tokens = p.tokens[1:]
	}
	return t
}

func (p *parser) accept(sort int, text string) bool {
	if t := p.next(); t.sort != sort || t.text != text {
		return false
	}
	p.take()
	return true
}

func (p *parser) symbol(s string) bool { return p.accept(tokenSymbol, s) }
func (p *parser) word(w string) bool   { return p.accept(tokenWord, w) }

// words takes all of the words or none.
func (p *parser) words(words ...string) bool {
	for i, w := range words {
		if i >= len(p.tokens) || p.tokens[i] != (token{tokenWord, w}) {
			return false
		}
	}
	p.tokens = p.tokens[len(words):]
	return true
}

func (p *parser) unexpected() error {
	if t := p.next(); t.sort != tokenEnd {
		return unsupported("a statement with %q at this place", t.text)
	}
	return unsupported("a statement that ends at this place")
}

// reserved are the words of our statements that PostgreSQL takes for no name.
var reserved = []string{"select", "from", "where", "and", "or", "not", "order", "limit", "as", "asc", "desc", "null", "distinct", "all", "current_user"}

func (p *parser) name() (string, error) {
	t := p.next()
	if t.sort != tokenQuoted && (t.sort != tokenWord || slices.Contains(reserved, t.text)) {
		return "", p.unexpected()
	}
	p.take()
	return t.text, nil
}

func (p *parser) noise() {
	if !p.word("transaction") {
		p.word("work")
	}
}

func (p *parser) parseShow() error {
	name, err := p.name()
	if err != nil {
		return err
	}
	p.plan.verb, p.plan.setting = "SHOW", strings.ToLower(name)
	for _, s := range settings {
		if strings.EqualFold(s.name, name) {
			p.plan.columns = []column{{s.name, kindText}}
		}
	}
	if slices.Contains([]string{"transaction_read_only", "transaction_isolation", "default_transaction_read_only"}, p.plan.setting) {
		p.plan.columns = []column{{p.plan.setting, kindText}}
	}
	if p.plan.columns == nil {
		return unsupported("the setting %q", name)
	}
	return nil
}

func (p *parser) parseBegin() error {
	p.plan.verb = "BEGIN"
	p.noise()
	for {
		switch {
		case p.words("isolation", "level"):
			for _, level := range [][]string{{"read", "uncommitted"}, {"read", "committed"}, {"repeatable", "read"}, {"serializable"}} {
				if p.words(level...) {
					p.plan.isolation = strings.Join(level, " ")
				}
			}
			if p.plan.isolation == "" {
				return p.unexpected()
			}
		case p.words("read", "only"):
			p.plan.readOnly = true
		case p.words("read", "write"):
			p.plan.readOnly = false
		default:
			return nil
		}
		p.symbol(",")
	}
}

// declare notes that a parameter is of this kind.
func (p *parser) declare(t token, k *kind) (operand, error) {
	n, err := strconv.Atoi(t.text)
	if err != nil || n == 0 {
		return operand{}, errorf(codeUndefinedParameter, "there is no parameter $%s", t.text)
	}
	for len(p.plan.parameters) < n {
		p.plan.parameters = append(p.plan.parameters, nil)
	}
	if known := p.plan.parameters[n-1]; known != nil && known != k {
		return operand{}, unsupported("the parameter $%d as %s and %s", n, known.name, k.name)
	}
	p.plan.parameters[n-1] = k
	return operand{parameter: n}, nil
}

// cast reads the type behind a value, if there is one.
func (p *parser) cast() (*kind, error) {
	if !p.symbol("::") {
		return nil, nil
	}
	switch {
	case p.word("bigint"), p.word("int8"):
		return kindBigint, nil
	case p.word("integer"), p.word("int"), p.word("int4"):
		return kindInteger, nil
	case p.word("text"):
		return kindText, nil
	case p.word("date"):
		return kindDate, nil
	}
	return nil, p.unexpected()
}

// number reads an integer, which may be negative.
func (p *parser) number() (int64, error) {
	sign := ""
	if p.symbol("-") {
		sign = "-"
	}
	if p.next().sort != tokenNumber {
		return 0, p.unexpected()
	}
	text := sign + p.take().text
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, unsupported("the number %s", text)
	}
	return n, nil
}
