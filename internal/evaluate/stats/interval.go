package stats

import "math"

// NormalQuantile is the value below which the share p of the standard normal
// distribution lies.
func NormalQuantile(p float64) float64 { return math.Sqrt2 * math.Erfinv(float64(2*p)-1) }

// NormalCDF is the share of the standard normal distribution below z.
func NormalCDF(z float64) float64 { return math.Erfc(-z/math.Sqrt2) / 2 }

// Wilson is the score interval of a share p that was seen in n trials, without
// correction for continuity. Unlike the textbook's p ± z·se it stays within 0 to
// 1 and says something even where p is 0 or 1. n need not be whole.
//
// E. B. Wilson, Probable inference, the law of succession, and statistical
// inference, JASA 22 (1927); recommended for small n by Brown, Cai and DasGupta,
// Interval estimation for a binomial proportion, Statistical Science 16 (2001).
func Wilson(p, n, confidence float64) (low, high float64) {
	if !(n > 0) || math.IsNaN(p) {
		return math.NaN(), math.NaN()
	}
	z := NormalQuantile((1 + confidence) / 2)
	z2n := float64(z*z) / n
	centre := (p + z2n/2) / (1 + z2n)
	half := float64(z/(1+z2n)) * math.Sqrt(float64(p*(1-p))/n+z2n/(4*n))
	// Rounding must not leave p outside of its own interval.
	return min(max(0, centre-half), p), max(min(1, centre+half), p)
}

// Difference is the interval of p1-p2, two shares that were seen in n1 and n2
// trials: each one's Wilson interval, put together by squares. For paired trials
// it is wider than it need be where the two go along with each other.
//
// R. G. Newcombe, Interval estimation for the difference between independent
// proportions, Statistics in Medicine 17 (1998), method 10.
func Difference(p1, n1, p2, n2, confidence float64) (low, high float64) {
	l1, u1 := Wilson(p1, n1, confidence)
	l2, u2 := Wilson(p2, n2, confidence)
	d := p1 - p2
	return d - math.Hypot(p1-l1, u2-p2), d + math.Hypot(u1-p1, p2-l2)
}

// TQuantile is the value below which the share p of Student's t distribution with
// df degrees of freedom lies.
func TQuantile(p, df float64) float64 {
	switch {
	case !(df > 0) || !(p > 0 && p < 1):
		return math.NaN()
	case p == 0.5:
		return 0
	case p < 0.5:
		return -TQuantile(1-p, df)
	case df > 1e5: // near enough to the normal for the first term of 26.7.5 in Abramowitz and Stegun
		z := NormalQuantile(p)
		return z + float64(z*(float64(z*z)+1))/(4*df)
	}
	// The distribution function grows, so the answer is found by halving.
	low, high := 0.0, 1.0
	for tCDF(high, df) < p && high < math.MaxFloat64/2 {
		low, high = high, 2*high
	}
	for range 200 {
		mid := low + (high-low)/2
		if mid <= low || mid >= high {
			break
		}
		if tCDF(mid, df) < p {
			low = mid
		} else {
			high = mid
		}
	}
	return high
}

// tCDF is the share of Student's t distribution below t, for t of 0 or more.
func tCDF(t, df float64) float64 { return 1 - betaInc(df/2, 0.5, df/(df+float64(t*t)))/2 }

// betaInc is the regularised incomplete beta function I_x(a, b), as the continued
// fraction 26.5.8 of Abramowitz and Stegun, Handbook of Mathematical Functions,
// gone through by Lentz's method.
func betaInc(a, b, x float64) float64 {
	switch {
	case x <= 0:
		return 0
	case x >= 1:
		return 1
	case x > (a+1)/(a+b+2): // where the fraction converges slowly, its mirror does not
		return 1 - betaInc(b, a, 1-x)
	}
	const tiny = 1e-300
	away := func(v float64) float64 {
		if math.Abs(v) < tiny {
			return tiny
		}
		return v
	}
	c, d := 1.0, 1/away(1-float64((a+b)*x)/(a+1))
	f := d
	for m := 1.0; m < 1000; m++ {
		even := float64(m*(b-m)) * x / ((a + float64(2*m) - 1) * (a + float64(2*m)))
		d = 1 / away(1+float64(even*d))
		c = away(1 + even/c)
		f *= float64(d * c)
		odd := -float64((a+m)*(a+b+m)) * x / ((a + float64(2*m)) * (a + float64(2*m) + 1))
		d = 1 / away(1+float64(odd*d))
		c = away(1 + odd/c)
		step := float64(d * c)
		f *= step
		if math.Abs(step-1) < 1e-15 {
			break
		}
	}
	front := float64(a*math.Log(x)) + float64(b*math.Log1p(-x)) - logBeta(a, b)
	return math.Exp(front) / a * f
}

func logBeta(a, b float64) float64 {
	return logGamma(a) + logGamma(b) - logGamma(a+b)
}

func logGamma(x float64) float64 {
	v, _ := math.Lgamma(x)
	return v
}
