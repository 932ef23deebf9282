package awk

import (
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"
)

func runProgram(text, input string, stop func() bool) (string, int, error) {
	p, err := Parse(text)
	if err != nil {
		return "", 2, err
	}
	var out strings.Builder
	code, err := p.Run(Options{
		Stdin: strings.NewReader(input), Out: &out,
		Open:    func(string) (io.Reader, error) { return nil, errors.New("no file") },
		Create:  func(string, bool) (io.Writer, error) { return nil, errors.New("no file") },
		Command: func(line, input string) int { out.WriteString("[" + line + "]" + input); return 0 },
		Regexp:  regexp.Compile,
		Time:    func() int64 { return 0 },
		Format:  func(layout string, _ int64) string { return layout },
		Stop:    stop,
		Max:     1 << 20,
	})
	return out.String(), code, err
}

func never() bool { return false }

func TestPrograms(t *testing.T) {
	const input = "a 1 x\nb 2 y\nc 3 z\n"
	for _, c := range [][2]string{
		{"{print $1}", "a\nb\nc\n"},
		{"{s+=$2} END {print s, s/NR, NR}", "6 2 3\n"},
		{"$2>1 && /y/ {print NR\":\"$0}", "2:b 2 y\n"},
		{"/a/,/b/", "a 1 x\nb 2 y\n"},
		{"{a[$1]=$2} END {for (k in a) printf \"%s=%d;\", k, a[k]; print \"\"}", "a=1;b=2;c=3;\n"},
		{"BEGIN {OFS=\"-\"} {$2=$2; print}", "a-1-x\nb-2-y\nc-3-z\n"},
		{"{$5=\"n\"; print NF, $0}", "5 a 1 x  n\n5 b 2 y  n\n5 c 3 z  n\n"},
		{"BEGIN {x[\"p\",1]=2; for (k in x) {split(k, q, SUBSEP); print q[1], q[2]}; if ((\"p\",1) in x) print \"in\"}", "p 1\nin\n"},
		{"function f(n) {return n<2 ? 1 : n*f(n-1)} BEGIN {print f(5)}", "120\n"},
		{"function fill(a, k) {a[k]=1} BEGIN {fill(m, \"z\"); print length(m)}", "1\n"},
		{"BEGIN {s=\"banana\"; n=gsub(/an/, \"<&>\", s); print n, s; sub(\"b\", \"\\\\&\", s); print s}", "2 b<an><an>a\n&<an><an>a\n"},
		{"BEGIN {print length(\"héé\"), toupper(\"ab\"), substr(\"hello\", 2, 3), index(\"abc\", \"c\"), match(\"xaay\", /a+/), RSTART, RLENGTH}", "3 AB ell 3 2 2 2\n"},
		{"BEGIN {printf \"%5.2f|%-4s|%04d|%c|%x|%%\\n\", 3.14159, \"ab\", 42, \"z\", 255}", " 3.14|ab  |0042|z|ff|%\n"},
		{"BEGIN {print 1==1.0, \"a\"<\"b\", 10<9, \"10\"<\"9\", 2^3^2, -2^2, 7%4, !0, 1 \" \" 2}", "1 1 0 1 512 -4 3 1 1 2\n"},
		{"BEGIN {while (i<5) {i++; if (i==2) continue; if (i==4) break; print i}; do j++; while (j<3); print j}", "1\n3\n3\n"},
		{"NR==2 {next} {print $1} END {exit 3}", "a\nc\n"},
		{"{print $1 | \"sort\"} END {system(\"date\")}", "[date][sort]a\nb\nc\n"},
		{"BEGIN {getline; print \"first\", $1; getline line; print line}", "first a\nb 2 y\n"},
		{"BEGIN {RS=\"\"; FS=\"\\n\"} {print NF, $2}", "3 b 2 y\n"},
		{"END {print $0, NF}", "c 3 z 3\n"},
		{"BEGIN {print length()}", "0\n"},
		{"BEGIN {a=\"x\"; a = a a; print a; print a > \"/dev/stdout\"}", "xx\nxx\n"},
		{"BEGIN { if (!(3 in m)) print \"no\"; delete m; print -3 % 2; print 1e3, 0.1, 1/3, 100000000000 }", "no\n-1\n1000 0.1 0.333333 100000000000\n"},
	} {
		got, _, err := runProgram(c[0], input, never)
		if err != nil || got != c[1] {
			t.Errorf("%s: %q, %v; want %q", c[0], got, err, c[1])
		}
	}
}

func TestFaults(t *testing.T) {
	for _, text := range []string{
		"{", "}", "BEGIN {print", "BEGIN {x[}", "BEGIN {(}", "BEGIN {1=2}", "@", "BEGIN {\"", "BEGIN {/a", "function", "function f(", "BEGIN {if}", "BEGIN {for(;;", "$", "BEGIN { getline < }", strings.Repeat("(", 10_000), "BEGIN {" + strings.Repeat("{", 10_000), strings.Repeat("!", 10_000) + "1",
		"BEGIN {print 1/0}", "BEGIN {print f(1)}", "function f() {f()} BEGIN {f()}", "BEGIN {$(-1)=2}", "BEGIN {NF=1e12}", "BEGIN {$1e9=1}", "BEGIN {x=\"a\"; while (1) x=x x}", "BEGIN {while (1) a[i++]=1}", "BEGIN {printf \"%999999999d\", 1}", "BEGIN {print > \"f\"}", "BEGIN {print \"a\" ~ \"(\"}", "BEGIN {split(1, 2)}", "BEGIN {substr()}",
	} {
		if _, _, err := runProgram(text, "", never); err == nil {
			t.Errorf("%.40s: no error", text)
		}
	}
	left := 1000
	if _, _, err := runProgram("BEGIN {while (1) ;}", "", func() bool { left--; return left < 0 }); err == nil {
		t.Error("an endless loop was not stopped")
	}
}

func FuzzAwk(f *testing.F) {
	for _, seed := range []string{"{print $1}", "BEGIN{x[1]=2;for(k in x)print k}", "function f(a){return a}BEGIN{f(1)}", "/a/,/b/{next}", "{$0=\"x\";NF=3}1", "BEGIN{getline<\"x\";printf \"%s%d\",1}"} {
		f.Add(seed)
	}
	f.Fuzz(func(_ *testing.T, text string) {
		left := 2000
		_, _, _ = runProgram(text, "a b\nc d\n", func() bool { left--; return left < 0 })
	})
}
