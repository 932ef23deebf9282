// Package awk is an interpreter of awk's language, for the sandboxed shell. It
// reads, writes and runs only what its caller hands it, by Options: nothing of the
// host.
package awk

import (
	"fmt"
	"strconv"
	"strings"
)

type kind int

const (
	end kind = iota
	newline
	number
	str
	regex
	name
	call    // a name with ( right behind it
	keyword // and functions that are built in
	op
)

type token struct {
	kind kind
	text string
	num  float64
}

// lexer cuts a program into tokens.
type lexer struct {
	text string
	at   int
	tok  token
	err  error // the first fault; the program is at its end then
}

// fail ends the program here. What reads on comes to its end.
func (l *lexer) fail(format string, args ...any) {
	if l.err == nil {
		l.err = fmt.Errorf("syntax error: "+format, args...)
	}
	l.at, l.tok = len(l.text), token{kind: end, text: "end of program"}
}

func keywordOrFunction(s string) bool {
	switch s {
	case "BEGIN", "END", "function", "func", "if", "else", "while", "for", "do", "break", "continue", "next", "exit", "return", "delete", "in", "getline", "print", "printf", "nextfile":
		return true
	}
	return builtin(s)
}

func builtin(s string) bool {
	switch s {
	case "length", "substr", "index", "split", "sub", "gsub", "match", "sprintf", "sin", "cos", "atan2", "exp", "log", "sqrt", "int", "rand", "srand", "tolower", "toupper", "system", "close", "fflush", "strftime", "systime", "gensub":
		return true
	}
	return false
}

// advance goes to the next token.
func (l *lexer) advance() {
	if tok := l.next(); l.err == nil {
		l.tok = tok
	}
}

func (l *lexer) next() token {
	for l.at < len(l.text) {
		switch ch := l.text[l.at]; {
		case ch == ' ' || ch == '\t' || ch == '\r':
			l.at++
		case strings.HasPrefix(l.text[l.at:], "\\\n"):
			l.at += 2
		case ch == '#':
			for l.at < len(l.text) && l.text[l.at] != '\n' {
				l.at++
			}
		default:
			return l.token(ch)
		}
	}
	return token{kind: end, text: "end of program"}
}

func (l *lexer) token(ch byte) token {
	switch {
	case ch == '\n':
		l.at++
		return token{kind: newline, text: "\n"}
	case ch >= '0' && ch <= '9' || ch == '.' && l.at+1 < len(l.text) && l.text[l.at+1] >= '0' && l.text[l.at+1] <= '9':
		text := numberPrefix(l.text[l.at:])
		l.at += len(text)
		n, err := strconv.ParseFloat(text, 64)
		if err != nil {
			l.fail("number %s", text)
		}
		return token{kind: number, text: text, num: n}
	case ch == '"':
		return token{kind: str, text: l.quoted('"')}
	case isLetter(ch):
		from := l.at
		for l.at < len(l.text) && (isLetter(l.text[l.at]) || l.text[l.at] >= '0' && l.text[l.at] <= '9') {
			l.at++
		}
		word := l.text[from:l.at]
		switch {
		case keywordOrFunction(word):
			return token{kind: keyword, text: word}
		case l.at < len(l.text) && l.text[l.at] == '(':
			return token{kind: call, text: word}
		}
		return token{kind: name, text: word}
	}
	for _, text := range []string{"**=", "&&", "||", "==", "!=", "<=", ">=", "++", "--", "+=", "-=", "*=", "/=", "%=", "^=", "**", ">>", "!~"} {
		if strings.HasPrefix(l.text[l.at:], text) {
			l.at += len(text)
			return token{kind: op, text: text}
		}
	}
	if strings.IndexByte("{}()[];,+-*/%^!<>|?:~$=", ch) < 0 {
		l.fail("unexpected character %q", ch)
		return l.tok
	}
	l.at++
	return token{kind: op, text: string(ch)}
}

func isLetter(ch byte) bool {
	return ch == '_' || ch >= 'a' && ch <= 'z' || ch >= 'A' && ch <= 'Z'
}

// quoted reads a text up to its quote.
func (l *lexer) quoted(quote byte) string {
	var b strings.Builder
	for l.at++; l.at < len(l.text); l.at++ {
		ch := l.text[l.at]
		switch {
		case ch == quote:
			l.at++
			return b.String()
		case ch == '\n':
			l.fail("unterminated string")
		case ch == '\\' && l.at+1 < len(l.text):
			l.at++
			next := l.text[l.at]
			if at := strings.IndexByte(`abfnrtv\"/`, next); at >= 0 {
				b.WriteByte("\a\b\f\n\r\t\v\\\"/"[at])
			} else if next >= '0' && next <= '7' {
				n, digits := 0, 0
				for digits < 3 && l.at < len(l.text) && l.text[l.at] >= '0' && l.text[l.at] <= '7' {
					n = n*8 + int(l.text[l.at]-'0')
					l.at++
					digits++
				}
				l.at--
				b.WriteByte(byte(n))
			} else {
				b.WriteByte('\\')
				b.WriteByte(next)
			}
		default:
			b.WriteByte(ch)
		}
	}
	l.fail("unterminated string")
	return ""
}

// regexp reads the rest of a pattern whose / is the current token.
func (l *lexer) regexp() string {
	var b strings.Builder
	inSet := false
	if l.tok.text == "/=" {
		b.WriteByte('=')
	}
	for ; l.at < len(l.text); l.at++ {
		ch := l.text[l.at]
		switch {
		case ch == '\n':
			l.fail("unterminated regexp")
		case ch == '\\' && l.at+1 < len(l.text):
			if l.at++; l.text[l.at] != '/' {
				b.WriteByte('\\')
			}
			b.WriteByte(l.text[l.at])
		case ch == '/' && !inSet:
			l.at++
			return b.String()
		default:
			if ch == '[' {
				inSet = strings.IndexByte(l.text[min(l.at+2, len(l.text)):], ']') >= 0
			} else if ch == ']' {
				inSet = false
			}
			b.WriteByte(ch)
		}
	}
	l.fail("unterminated regexp")
	return ""
}

// numberPrefix is the beginning of a text that is a number, without a sign.
func numberPrefix(s string) string {
	i := 0
	digits := func() {
		for i < len(s) && s[i] >= '0' && s[i] <= '9' {
			i++
		}
	}
	digits()
	if i < len(s) && s[i] == '.' {
		i++
		digits()
	}
	if i == 0 || s[:i] == "." {
		return ""
	}
	if i < len(s) && (s[i] == 'e' || s[i] == 'E') {
		mark := i
		i++
		if i < len(s) && (s[i] == '+' || s[i] == '-') {
			i++
		}
		from := i
		if digits(); i == from {
			i = mark
		}
	}
	return s[:i]
}
