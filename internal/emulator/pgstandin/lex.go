package pgstandin

import (
	"strings"
	"unicode/utf8"
)

// The sorts of tokens.
const (
	tokenEnd    = iota
	tokenWord   // unquoted, in small letters
	tokenQuoted // a name in double quotes
	tokenText   // a literal in single quotes
	tokenNumber // digits
	tokenParameter
	tokenSymbol
)

type token struct {
	sort int
	text string
}

const (
	digits  = "0123456789"
	letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_"
)

// lex splits a statement. The last token is tokenEnd.
func lex(statement string) ([]token, error) {
	if !utf8.ValidString(statement) {
		return nil, errorf("22021", "invalid byte sequence for encoding \"UTF8\"")
	}
	var tokens []token
	add := func(sort int, text string) { tokens = append(tokens, token{sort, text}) }
	for rest := statement; ; {
		rest = strings.TrimLeft(rest, " \t\r\n\f\v")
		if rest == "" {
			add(tokenEnd, "")
			return tokens, nil
		}
		span := func(set string) string { return rest[:len(rest)-len(strings.TrimLeft(rest, set))] }
		size := 1
		switch c := rest[:1]; {
		case strings.Contains(letters, c):
			word := span(letters + digits + "$")
			size = len(word)
			if strings.HasPrefix(rest[size:], "'") {
				return nil, unsupported("the literal that begins with %s'", word)
			}
			add(tokenWord, strings.ToLower(word))
		case strings.Contains(digits, c):
			size = len(span(digits))
			add(tokenNumber, rest[:size])
		case c == "$":
			number := rest[1:]
			number = number[:len(number)-len(strings.TrimLeft(number, digits))]
			if number == "" || len(number) > 5 {
				return nil, unsupported("what begins with $ here")
			}
			size = 1 + len(number)
			add(tokenParameter, number)
		case c == "'" || c == `"`:
			text, n, err := quoted(rest)
			if err != nil {
				return nil, err
			}
			size = n
			sort := tokenText
			if c == `"` {
				sort = tokenQuoted
			}
			add(sort, text)
		case strings.HasPrefix(rest, "--"), strings.HasPrefix(rest, "/*"):
			return nil, unsupported("comments")
		default:
			for _, s := range []string{"::", "<=", ">=", "<>", "!="} {
				if strings.HasPrefix(rest, s) {
					size = len(s)
				}
			}
			if size == 1 && !strings.Contains("=<>(),*;-", c) {
				return nil, unsupported("the sign %q", firstRune(rest))
			}
			add(tokenSymbol, rest[:size])
		}
		rest = rest[size:]
	}
}

func firstRune(s string) string {
	_, n := utf8.DecodeRuneInString(s)
	return s[:n]
}

// quoted reads a text up to its end, with quotes in it doubled.
func quoted(s string) (text string, size int, err error) {
	quote := s[:1]
	var b strings.Builder
	for size = 1; ; {
		n := strings.Index(s[size:], quote)
		if n < 0 {
			return "", 0, errorf("42601", "unterminated quoted string")
		}
		b.WriteString(s[size : size+n])
		size += n + 1
		if !strings.HasPrefix(s[size:], quote) {
			return b.String(), size, nil
		}
		b.WriteString(quote)
		size++
	}
}
