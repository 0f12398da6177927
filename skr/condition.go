package skr

import (
	"math/big"
	"strconv"
	"strings"
)

// operator compares a claim with the value of a condition.
type operator string

const (
	opEquals          operator = "equals"
	opNotEquals       operator = "notEquals"
	opLess            operator = "less"
	opLessOrEquals    operator = "lessOrEquals"
	opGreater         operator = "greater"
	opGreaterOrEquals operator = "greaterOrEquals"
	opExists          operator = "exists"
)

// phrases say what each operator wants, before the value.
var phrases = map[operator]string{
	opEquals:          "",
	opNotEquals:       "anything but ",
	opLess:            "less than ",
	opLessOrEquals:    "at most ",
	opGreater:         "more than ",
	opGreaterOrEquals: "at least ",
	opExists:          "presence = ",
}

func (o operator) valid() bool {
	_, ok := phrases[o]
	return ok
}

// holds evaluates a leaf. Scalars compare by their JSON text, exactly and with
// regard to case, so that the literal "false" matches the boolean false, as
// policies in use rely on. A missing claim fails every operator but exists.
func (c condition) holds(claims Claims) bool {
	want, _ := scalarText(c.value)
	if c.op == opExists {
		_, present := claims.lookup(c.claim)
		return strconv.FormatBool(present) == want
	}
	got, ok := claims.text(c.claim)
	if !ok {
		return false
	}
	switch c.op {
	case opEquals:
		return got == want
	case opNotEquals:
		return got != want
	}
	order, ok := compareNumbers(got, want)
	if !ok {
		return false
	}
	switch c.op {
	case opLess:
		return order < 0
	case opLessOrEquals:
		return order <= 0
	case opGreater:
		return order > 0
	case opGreaterOrEquals:
		return order >= 0
	}
	return false
}

// compareNumbers orders two decimal numbers. Exponents and long numbers are
// not compared: no claim has them, and they could cost much memory.
func compareNumbers(a, b string) (order int, ok bool) {
	x, ok := decimal(a)
	if !ok {
		return 0, false
	}
	y, ok := decimal(b)
	if !ok {
		return 0, false
	}
	return x.Cmp(y), true
}

func decimal(s string) (*big.Rat, bool) {
	if len(s) == 0 || len(s) > 64 || strings.Trim(s, "-.0123456789") != "" {
		return nil, false
	}
	return new(big.Rat).SetString(s)
}
