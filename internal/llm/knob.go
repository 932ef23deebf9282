package llm

import "math"

// knob is a quantity that is cut where the endpoint refuses, and grows again
// with the time of its use: up to where it was refused, where it stays for a
// while, the longer the better that value has proved, and then faster and
// faster, so that an endpoint that takes more than it did is found out soon.
type knob struct {
	value  float64
	base   float64 // just after the cut
	peak   float64 // what was served when it was cut
	age    float64 // seconds of use since
	calm   float64 // seconds to stay at the peak
	unsure bool    // the peak may be far too low
}

const (
	climb = 0.4 // seconds from a cut to the peak
	hunt  = 0.3 // seconds to double, if unsure
	steep = 0.5 // growth a second after the plateau, as a share of the peak
	calm1 = 0.3 // longer at the peak for each time it proved right
	calmN = 1.2 // at most
)

func (k *knob) cut(peak, to float64) {
	if math.Abs(peak-k.peak) < 0.15*k.peak {
		k.calm = min(k.calm+calm1, calmN)
	} else {
		k.calm = 0
	}
	k.peak, k.base, k.value, k.age = peak, to, to, 0
}

func (k *knob) grow(seconds float64) {
	if k.peak == 0 {
		k.peak, k.base = k.value, k.value
	}
	k.age += seconds
	switch t := k.age; {
	case k.unsure:
		k.value = k.base * math.Exp2(t/hunt)
	case t < climb:
		k.value = k.peak - (k.peak-k.base)*math.Pow(1-t/climb, 3)
	case t < climb+k.calm:
		k.value = k.peak
	default:
		k.value = k.peak * (1 + steep*math.Pow(t-climb-k.calm, 3))
	}
}

// settling says whether the knob has not been turned beyond its peak since it
// was cut.
func (k *knob) settling() bool { return k.peak > 0 && k.age < climb+k.calm }

// knobs are both of them.
type knobs struct{ pace, limit knob }
