package stats

import "math"

// McNemar is the exact two-sided p of McNemar's test: how likely pairs that
// differ are to fall at least as unevenly to both sides if neither is better. up
// and down are how many pairs differ one way and the other; pairs that are alike
// do not count. It is the exact conditional test, without the mid-p correction:
// it never rejects too often, and is the more cautious for that.
//
// Q. McNemar, Note on the sampling error of the difference between correlated
// proportions or percentages, Psychometrika 12 (1947); as an exact binomial test:
// A. Agresti, Categorical Data Analysis, section 11.1.
func McNemar(up, down int) float64 {
	n, fewer := up+down, min(up, down)
	if n == 0 || up == down {
		return 1
	}
	// The terms C(n,i) by their logarithms: n may be thousands.
	tail := 0.0
	for i := 0; i <= fewer; i++ {
		tail += math.Exp(logChoose(n, i) - float64(float64(n)*math.Ln2))
	}
	return min(1, 2*tail)
}

func logChoose(n, k int) float64 {
	return logGamma(float64(n+1)) - logGamma(float64(k+1)) - logGamma(float64(n-k+1))
}

// AllOf is C(hits,k)/C(n,k): how likely k trials, drawn from n of which hits came
// right, have all come right. Its mean over scenarios is unbiased for the share of
// scenarios in which k fresh trials would all come right.
//
// That is pass^k: S. Yao et al., τ-bench (arXiv 2406.12045), with which M. Chen
// et al., Evaluating large language models trained on code (arXiv 2107.03374),
// share the idea; and sec@k without the paper's dependence on which trials come
// first.
func AllOf(hits, n, k int) float64 {
	if k > n || k < 0 || n < 0 {
		return math.NaN()
	}
	p := 1.0
	for i := range k {
		p = float64(p*float64(max(0, hits-i))) / float64(n-i)
	}
	return p
}

// Flips counts the pairs of repeats that differ, and all pairs, where counts says
// how often each answer was given. Their ratio is how likely two repeats are to
// contradict each other. Unlike the share of items with any contradiction it does
// not grow with the number of repeats.
func Flips(counts []float64) (differ, pairs float64) {
	n, same := 0.0, 0.0
	for _, c := range counts {
		n += c
		same += float64(c*(c-1)) / 2
	}
	pairs = float64(n*(n-1)) / 2
	return pairs - same, pairs
}
