package stats

import (
	"math"
	"math/bits"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
)

// Clusters are what a sample consists of: units that are independent of each
// other, such as scenarios, while what lies within one, such as its trials, is
// not. Each adds a row of numbers to the sums that statistics are made of.
type Clusters struct {
	Width int       // numbers in a row
	Rows  []float64 // one after the other
}

// Len is the number of clusters.
func (c Clusters) Len() int { return len(c.Rows) / max(1, c.Width) }

// Sum adds all rows up.
func (c Clusters) Sum() []float64 {
	sum := make([]float64, c.Width)
	for i := range c.Len() {
		for j, v := range c.Rows[i*c.Width : (i+1)*c.Width] {
			sum[j] += v
		}
	}
	return sum
}

// Resampling says how often to resample, and with which random numbers.
type Resampling struct {
	N            int
	Seed, Stream uint64 // streams of a seed are independent of each other
}

// block is the number of resamples that share a generator. It is fixed, so that
// results do not depend on how many goroutines take part.
const block = 64

// Bootstrap draws whole clusters with replacement, as many as there are, and makes
// numbers of their sums: out has room for k of them. Of each of the k it gives the
// values of all resamples, in order. Numbers of one call are made of the same
// resamples, so that their difference is a paired one. Each goroutine has a
// function of its own from statistic.
//
// B. Efron and R. J. Tibshirani, An Introduction to the Bootstrap (1993); whole
// clusters: A. C. Davison and D. V. Hinkley, Bootstrap Methods and their
// Application (1997), section 3.8.
func Bootstrap(c Clusters, r Resampling, k int, statistic func() func(sum, out []float64)) [][]float64 {
	values := make([][]float64, k)
	for i := range values {
		values[i] = make([]float64, r.N)
	}
	if c.Len() == 0 || k == 0 {
		return values
	}
	blocks := make(chan int)
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), (r.N+block-1)/block) {
		wg.Go(func() {
			w := worker{c: c, weights: make([]int32, c.Len()), sum: make([]float64, c.Width), out: make([]float64, k)}
			statistic := statistic()
			for b := range blocks {
				w.block(b, r, statistic, values)
			}
		})
	}
	for first := 0; first < r.N; first += block {
		blocks <- first
	}
	close(blocks)
	wg.Wait()
	return values
}

// worker is the memory of a goroutine that resamples.
type worker struct {
	c        Clusters
	weights  []int32 // how often each cluster was drawn
	sum, out []float64
}

func (w *worker) block(first int, r Resampling, statistic func(sum, out []float64), values [][]float64) {
	rng := rand.NewPCG(r.Seed, r.Stream^mix(uint64(first)))
	for i := first; i < min(first+block, r.N); i++ {
		w.draw(rng)
		statistic(w.sum, w.out)
		for j, v := range w.out {
			values[j][i] = v
		}
	}
}

func (w *worker) draw(rng *rand.PCG) {
	clear(w.weights)
	n := uint64(len(w.weights))
	for range w.weights {
		// The bias of this is below n/2^64.
		i, _ := bits.Mul64(rng.Uint64(), n)
		w.weights[i]++
	}
	clear(w.sum)
	width := w.c.Width
	for i, times := range w.weights {
		if times == 0 {
			continue
		}
		row, sum := w.c.Rows[i*width:(i+1)*width], w.sum[:width]
		t := float64(times)
		for j := range sum {
			sum[j] += float64(t * row[j])
		}
	}
}

// mix spreads small numbers over 64 bits (the finaliser of SplitMix64).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// Tail is how much of resampled values Percentile leaves outside at each end, for a
// sample of so many clusters. Few clusters make plain percentiles too narrow: they
// are moved outward to where Student's t with the right variance would have them.
// One cluster alone has no tail: there is nothing to resample.
//
// T. C. Hesterberg, What teachers should know about the bootstrap, The American
// Statistician 69 (2015): the expanded percentile interval.
func Tail(clusters int, confidence float64) float64 {
	if clusters < 2 {
		return math.NaN()
	}
	n := float64(clusters)
	return NormalCDF(-math.Sqrt(n/(n-1)) * TQuantile((1+confidence)/2, n-1))
}

// Percentile is the interval between percentiles of resampled values, with tail
// outside of it at each end. Values that are NaN, of resamples for which the
// statistic is not defined, are left out; where those are half or more there is no
// interval. The order of values changes.
func Percentile(values []float64, tail float64) (low, high float64) {
	all := len(values)
	values = slices.DeleteFunc(values, math.IsNaN)
	if math.IsNaN(tail) || len(values)*2 <= all {
		return math.NaN(), math.NaN()
	}
	// The k-th smallest and the k-th largest value leave that much outside.
	k := int(float64(tail*float64(len(values)+1)) + 1e-6)
	k = min(max(k, 1), len(values))
	return nth(values, k-1), nth(values, len(values)-k)
}

// nth is the value that would stand at k if values were sorted, by Hoare's
// selection: most of them need not be.
func nth(values []float64, k int) float64 {
	low, high := 0, len(values)-1
	for low < high {
		pivot := values[low+(high-low)/2]
		i, j := low, high
		for i <= j {
			for values[i] < pivot {
				i++
			}
			for values[j] > pivot {
				j--
			}
			if i <= j {
				values[i], values[j] = values[j], values[i]
				i++
				j--
			}
		}
		switch {
		case k <= j:
			high = j
		case k >= i:
			low = i
		default:
			return values[k]
		}
	}
	return values[k]
}
