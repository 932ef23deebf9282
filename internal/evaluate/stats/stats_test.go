package stats

import (
	"math"
	"math/big"
	"testing"
)

// near holds a value to the digits that its source prints.
func near(t *testing.T, what string, got, want, within float64) {
	t.Helper()
	if !(math.Abs(got-want) <= within) {
		t.Errorf("%s is %.6f, want %.6f", what, got, want)
	}
}

func TestQuantiles(t *testing.T) {
	// Tables such as those of Abramowitz and Stegun, 26.1 and 26.10.
	near(t, "z(0.975)", NormalQuantile(0.975), 1.959963985, 1e-8)
	near(t, "z(0.95)", NormalQuantile(0.95), 1.644853627, 1e-8)
	near(t, "z(0.5)", NormalQuantile(0.5), 0, 1e-12)
	near(t, "Φ(1.96)", NormalCDF(1.959963985), 0.975, 1e-9)
	for _, c := range []struct{ p, df, want float64 }{
		{0.975, 1, 12.7062}, {0.975, 2, 4.3027}, {0.975, 4, 2.7764}, {0.975, 10, 2.2281},
		{0.975, 30, 2.0423}, {0.975, 120, 1.9799}, {0.95, 5, 2.0150}, {0.995, 20, 2.8453},
		{0.025, 10, -2.2281}, {0.5, 7, 0}, {0.975, 1e7, 1.9600},
	} {
		near(t, "t", TQuantile(c.p, c.df), c.want, 5e-5)
	}
	for _, c := range [][2]float64{{0.975, 0}, {1, 5}, {0, 5}, {0.9, math.NaN()}} {
		if v := TQuantile(c[0], c[1]); !math.IsNaN(v) {
			t.Errorf("t(%v, %v) = %v", c[0], c[1], v)
		}
	}
}

func TestWilson(t *testing.T) {
	for _, c := range []struct {
		hits, n, low, high float64
		within             float64
	}{
		// Newcombe, Two-sided confidence intervals for the single proportion,
		// Statistics in Medicine 17 (1998), table I, method 3.
		{81, 263, 0.2553, 0.3662, 5e-5},
		{15, 148, 0.0624, 0.1605, 5e-5},
		{0, 20, 0, 0.1611, 5e-5},
		{1, 29, 0.0061, 0.1718, 5e-5},
		// What the method's published shares are worth: 58 % of 50, 59.4 % of 32.
		{29, 50, 0.44, 0.71, 5e-3},
		{19, 32, 0.42, 0.75, 6e-3},
	} {
		low, high := Wilson(c.hits/c.n, c.n, 0.95)
		near(t, "low", low, c.low, c.within)
		near(t, "high", high, c.high, c.within)
	}
	for n := 1.0; n <= 60; n++ {
		for hits := range int(n) + 1 {
			p := float64(hits) / n
			low, high := Wilson(p, n, 0.95)
			if !(0 <= low && low <= p && p <= high && high <= 1 && low < high) {
				t.Fatalf("%d of %v: %v to %v", hits, n, low, high)
			}
			mirrorLow, mirrorHigh := Wilson(1-p, n, 0.95)
			near(t, "mirrored low", 1-mirrorHigh, low, 1e-12)
			near(t, "mirrored high", 1-mirrorLow, high, 1e-12)
			wideLow, wideHigh := Wilson(p, n, 0.99)
			if wideLow > low || wideHigh < high {
				t.Fatalf("%d of %v: 99 %% is narrower than 95 %%", hits, n)
			}
		}
	}
	if low, high := Wilson(math.NaN(), 0, 0.95); !math.IsNaN(low) || !math.IsNaN(high) {
		t.Errorf("nothing of nothing: %v to %v", low, high)
	}
}

func TestDifference(t *testing.T) {
	// Newcombe, Interval estimation for the difference between independent
	// proportions, Statistics in Medicine 17 (1998), table II, method 10.
	for _, c := range []struct{ a, m, b, n, low, high float64 }{
		{56, 70, 48, 80, 0.0524, 0.3339},
		{9, 10, 3, 10, 0.1705, 0.8090},
		{5, 56, 0, 29, -0.0381, 0.1926},
		{10, 10, 0, 10, 0.6075, 1},
		{0, 10, 0, 20, -0.1611, 0.2775},
	} {
		low, high := Difference(c.a/c.m, c.m, c.b/c.n, c.n, 0.95)
		near(t, "low", low, c.low, 5e-5)
		near(t, "high", high, c.high, 5e-5)
	}
}

func TestMcNemar(t *testing.T) {
	for _, c := range []struct {
		up, down int
		want     float64
	}{
		{0, 0, 1},
		{4, 4, 1},
		{0, 1, 1},
		{0, 5, 2.0 / 32},
		{5, 0, 2.0 / 32},
		{1, 9, 2 * (1 + 10) / 1024.0},
		{3, 10, 2 * (1 + 13 + 78 + 286) / 8192.0},
		{1500, 1500, 1}, // thousands overflow nothing
		{0, 2000, 0},    // and what is too small is 0
	} {
		near(t, "p", McNemar(c.up, c.down), c.want, 1e-12)
		if a, b := McNemar(c.up, c.down), McNemar(c.down, c.up); a != b {
			t.Errorf("%d and %d: %v one way, %v the other", c.up, c.down, a, b)
		}
	}
	// The same with whole numbers of any size.
	for _, c := range [][2]int{{6, 59}, {150, 86}, {480, 520}, {1480, 1520}} {
		tail := new(big.Int)
		for i := range int64(min(c[0], c[1]) + 1) {
			tail.Add(tail, new(big.Int).Binomial(int64(c[0]+c[1]), i))
		}
		exact, _ := new(big.Rat).SetFrac(tail, new(big.Int).Lsh(big.NewInt(1), uint(c[0]+c[1]-1))).Float64()
		near(t, "p", McNemar(c[0], c[1]), exact, exact*1e-9)
	}
	last := 1.0
	for down := 3; down < 40; down++ { // more evidence, smaller p
		p := McNemar(3, down)
		if p > last || p < 0 {
			t.Fatalf("3 and %d: %v after %v", down, p, last)
		}
		last = p
	}
}

func TestAllOf(t *testing.T) {
	for _, c := range []struct {
		hits, n, k int
		want       float64
	}{
		{3, 5, 1, 0.6}, {3, 5, 2, 0.3}, {3, 5, 3, 0.1}, {3, 5, 4, 0}, {5, 5, 5, 1}, {0, 5, 1, 0}, {4, 5, 5, 0}, {2, 3, 0, 1},
	} {
		near(t, "AllOf", AllOf(c.hits, c.n, c.k), c.want, 1e-15)
	}
	if v := AllOf(3, 3, 4); !math.IsNaN(v) {
		t.Errorf("4 of 3: %v", v)
	}
	// Unbiased: over all outcomes of n trials that come right with p, the mean of
	// C(hits,k)/C(n,k) is p^k.
	const p, n = 0.7, 6
	for k := 1; k <= n; k++ {
		mean := 0.0
		for hits := range n + 1 {
			mean += math.Exp(logChoose(n, hits)) * math.Pow(p, float64(hits)) * math.Pow(1-p, float64(n-hits)) * AllOf(hits, n, k)
		}
		near(t, "mean", mean, math.Pow(p, float64(k)), 1e-12)
	}
}

func TestFlips(t *testing.T) {
	for _, c := range []struct {
		counts        []float64
		differ, pairs float64
	}{
		{[]float64{5, 0}, 0, 10}, {[]float64{3, 2}, 6, 10}, {[]float64{1, 1, 1}, 3, 3}, {[]float64{1}, 0, 0}, {nil, 0, 0},
	} {
		differ, pairs := Flips(c.counts)
		if differ != c.differ || pairs != c.pairs {
			t.Errorf("%v: %v of %v", c.counts, differ, pairs)
		}
	}
}

func TestKappa(t *testing.T) {
	for _, c := range []struct {
		name  string
		table []float64
		want  float64
	}{
		// The method's figure 7, in percent: a person's safe and unsafe by row,
		// the evaluator's by column.
		{"own evaluator", []float64{45, 0, 5, 50}, 0.90},
		{"vote of three", []float64{45, 0, 30, 25}, 0.429},
		{"grants", []float64{20, 5, 10, 15}, 0.40},
		// Three labels: 100 items, 70 alike, (50·55+30·28+20·17)/100 of them by chance.
		{"three labels", []float64{42, 5, 3, 8, 18, 4, 5, 5, 10}, (70 - 39.3) / (100 - 39.3)},
		{"perfect", []float64{7, 0, 0, 0, 5, 0, 0, 0, 3}, 1},
		{"opposite", []float64{0, 5, 5, 0}, -1},
		{"chance", []float64{4, 4, 4, 4}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			near(t, "κ", Kappa(c.table), c.want, 5e-4)
		})
	}
	for _, table := range [][]float64{{0, 0, 0, 0}, {9, 0, 0, 0}} {
		if v := Kappa(table); !math.IsNaN(v) {
			t.Errorf("κ of %v is %v", table, v)
		}
	}
	near(t, "agreement", Agreement([]float64{45, 0, 5, 50}), 0.95, 1e-12)
	if v := Agreement([]float64{0, 0, 0, 0}); !math.IsNaN(v) {
		t.Errorf("agreement on nothing is %v", v)
	}
}

// krippendorff are the tables of reliability data in K. Krippendorff, Computing
// Krippendorff's alpha-reliability (2011): a line for each observer, a dot where
// one gave no value.
func krippendorff(lines ...string) (table []float64) {
	values := 0
	for _, line := range lines {
		for _, ch := range line {
			if ch != '.' {
				values = max(values, int(ch-'0')+1)
			}
		}
	}
	table = make([]float64, values*values)
	for u := range lines[0] {
		counts := make([]float64, values)
		for _, line := range lines {
			if ch := line[u]; ch != '.' {
				counts[ch-'0']++
			}
		}
		AddUnit(table, counts)
	}
	return table
}

func TestAlpha(t *testing.T) {
	binary := krippendorff("0100000010", "1110010000")
	missing := krippendorff("123321412...", "1233224125.3", ".3332342251.", "12332441251.")
	near(t, "A: two observers, two values", Alpha(binary, false), 0.095, 5e-4)
	near(t, "C: four observers, values missing, nominal", Alpha(missing, false), 0.743, 5e-4)
	near(t, "C: ordinal", Alpha(missing, true), 0.815, 5e-4)
	// B's letters are numbers here: a 0, b 1, c 2, d 3, e 4.
	near(t, "B: two observers, nominal", Alpha(krippendorff("001132224330", "101112224333"), false), 0.692, 5e-4)

	near(t, "perfect", Alpha(krippendorff("0123", "0123", "0123"), false), 1, 0)
	near(t, "perfect, ordinal", Alpha(krippendorff("0123", "0123", "0123"), true), 1, 0)
	for _, table := range [][]float64{krippendorff("1111", "1111"), krippendorff("0123", "...."), make([]float64, 4)} {
		if v := Alpha(table, false); !math.IsNaN(v) {
			t.Errorf("α of %v is %v", table, v)
		}
	}
}

func TestAUROC(t *testing.T) {
	for _, c := range []struct {
		positive, negative []float64
		want               float64
	}{
		{[]float64{3, 0, 0, 0}, []float64{0, 0, 0, 5}, 1},
		{[]float64{0, 0, 0, 3}, []float64{5, 0, 0, 0}, 0},
		{[]float64{2, 2, 2, 2}, []float64{1, 1, 1, 1}, 0.5},
		// Of 3·4 pairs: 2·3.5 for the two of score 0, then 1·2 + 1/2 for that of 1.
		{[]float64{2, 1, 0, 0}, []float64{1, 1, 2, 0}, 9.5 / 12},
		// Hanley and McNeil's table I: 58 normal and 51 abnormal CT images on a
		// scale of five, on which more is more abnormal.
		{[]float64{33, 11, 2, 2, 3}, []float64{2, 11, 6, 6, 33}, 0.893},
	} {
		near(t, "AUROC", AUROC(c.positive, c.negative), c.want, 5e-4)
	}
	if v := AUROC([]float64{0, 0}, []float64{1, 1}); !math.IsNaN(v) {
		t.Errorf("without positives it is %v", v)
	}
}
