package stats

import (
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
)

// mean is the ratio of two columns.
func mean() func(sum, out []float64) {
	return func(sum, out []float64) { out[0] = sum[0] / sum[1] }
}

// TestBootstrapIsFixed has the same bits whatever the number of cores, and on
// every platform: the values are written down here.
func TestBootstrapIsFixed(t *testing.T) {
	c := Clusters{Width: 2}
	for i := range 40 {
		c.Rows = append(c.Rows, float64(i%6)/3, 5)
	}
	r := Resampling{N: 500, Seed: 7, Stream: 1}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	one := Bootstrap(c, r, 1, mean)
	runtime.GOMAXPROCS(7)
	many := Bootstrap(c, r, 1, mean)
	if !slices.Equal(one[0], many[0]) {
		t.Error("one core and seven give different values")
	}
	if more := Bootstrap(c, Resampling{N: 700, Seed: 7, Stream: 1}, 1, mean); !slices.Equal(one[0], more[0][:500]) {
		t.Error("more resamples change those before them")
	}
	for _, other := range []Resampling{{500, 8, 1}, {500, 7, 2}} {
		if got := Bootstrap(c, other, 1, mean); slices.Equal(one[0], got[0]) {
			t.Errorf("%+v gives the same values", other)
		}
	}
	sums := Bootstrap(c, r, 1, func() func(sum, out []float64) {
		return func(sum, out []float64) { out[0] = math.Round(3 * sum[0]) }
	})[0]
	want := []float64{114, 82, 98, 79, 101, 83}
	if got := append(slices.Clone(sums[:4]), sums[64], sums[499]); !slices.Equal(got, want) {
		t.Errorf("values %v, want %v", got, want)
	}
}

// TestBootstrapOfAMean is held to what is known of means: the resampled ones
// have the sample's mean and its standard error.
func TestBootstrapOfAMean(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	const n = 200
	c, total, squares := Clusters{Width: 2}, 0.0, 0.0
	for range n {
		x := rng.NormFloat64()
		c.Rows = append(c.Rows, x, 1)
		total, squares = total+x, squares+x*x
	}
	m := total / n
	se := math.Sqrt((squares/n - m*m) / n)
	values := Bootstrap(c, Resampling{N: 4000, Seed: 1}, 1, mean)[0]
	sum, sq := 0.0, 0.0
	for _, v := range values {
		sum, sq = sum+v, sq+v*v
	}
	got := sum / 4000
	near(t, "mean", got, m, 4*se/math.Sqrt(4000))
	near(t, "standard error", math.Sqrt(sq/4000-got*got), se, se*0.05)
	low, high := Percentile(values, Tail(n, 0.95))
	near(t, "low", low, m-1.97*se, 0.15*se)
	near(t, "high", high, m+1.97*se, 0.15*se)
}

func TestTail(t *testing.T) {
	// Φ(-√(n/(n-1))·t), with t of the tables: 4.3027, 2.2622, 2.0930, 1.9842.
	for n, want := range map[int]float64{3: NormalCDF(-5.26971), 10: NormalCDF(-2.38457), 20: NormalCDF(-2.14737), 100: NormalCDF(-1.99420)} {
		near(t, "tail", Tail(n, 0.95), want, 1e-5)
	}
	if v := Tail(1, 0.95); !math.IsNaN(v) {
		t.Errorf("of one cluster it is %v", v)
	}
}

func TestPercentile(t *testing.T) {
	values := make([]float64, 999)
	for i := range values {
		values[len(values)-1-i] = float64(i + 1)
	}
	low, high := Percentile(slices.Clone(values), Tail(1e9, 0.95)) // no widening to speak of
	if low != 25 || high != 975 {
		t.Errorf("%v to %v", low, high)
	}
	fewLow, fewHigh := Percentile(slices.Clone(values), Tail(10, 0.95))
	if fewLow >= low || fewHigh <= high {
		t.Errorf("ten clusters: %v to %v", fewLow, fewHigh)
	}
	for _, c := range []struct {
		values   []float64
		clusters int
	}{{nil, 10}, {[]float64{1, 2}, 1}, {[]float64{1, math.NaN(), math.NaN()}, 10}} {
		if low, high := Percentile(c.values, Tail(c.clusters, 0.95)); !math.IsNaN(low) || !math.IsNaN(high) {
			t.Errorf("%v of %d clusters: %v to %v", c.values, c.clusters, low, high)
		}
	}
	if low, high := Percentile([]float64{3, math.NaN(), 3}, Tail(5, 0.95)); low != 3 || high != 3 {
		t.Errorf("%v to %v", low, high)
	}
	if got := Bootstrap(Clusters{Width: 2}, Resampling{N: 3}, 1, mean); len(got[0]) != 3 {
		t.Errorf("of no clusters: %v", got)
	}
}

func TestNth(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		values := make([]float64, 1+rng.IntN(40))
		for i := range values {
			values[i] = float64(rng.IntN(1 + rng.IntN(30)))
		}
		sorted := slices.Sorted(slices.Values(values))
		for k, want := range sorted {
			if got := nth(values, k); got != want {
				t.Fatalf("%v: the %dth is %v, want %v", sorted, k, got, want)
			}
		}
	}
}

func BenchmarkBootstrap(b *testing.B) {
	c := Clusters{Width: 60}
	for i := range 500 * c.Width {
		c.Rows = append(c.Rows, float64(i%7))
	}
	for b.Loop() {
		Bootstrap(c, Resampling{N: 2000, Seed: 1}, 1, mean)
	}
}
