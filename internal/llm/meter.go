package llm

import "time"

// meter counts what was served in the last seconds.
type meter struct {
	slots [121]float64
	first int64 // number of the first slot
}

const slotLength = window / 10

func (m *meter) add(at time.Duration, n float64) {
	s := int64(at / slotLength)
	m.advance(s)
	if i := s - m.first; i >= 0 {
		m.slots[i] += n
	}
}

// advance makes room for slot s.
func (m *meter) advance(s int64) {
	by := s - m.first - int64(len(m.slots)) + 1
	switch {
	case by <= 0:
		return
	case by >= int64(len(m.slots)):
		clear(m.slots[:])
	default:
		copy(m.slots[:], m.slots[by:])
		clear(m.slots[int64(len(m.slots))-by:])
	}
	m.first += by
}

// perSecond is what was served a second before a time: in the last second or,
// if that was little, in the last ten.
func (m *meter) perSecond(at time.Duration) float64 {
	for _, span := range []time.Duration{window, 2 * window, 5 * window} {
		if n := m.sum(at, span); n >= 8 || at <= span {
			return n / span.Seconds()
		}
	}
	return m.sum(at, 10*window) / (10 * window).Seconds()
}

func (m *meter) sum(at, span time.Duration) float64 {
	s := int64(at / slotLength)
	m.advance(s)
	var all float64
	for i := max(0, s-m.first-int64(span/slotLength)+1); i <= s-m.first; i++ {
		all += m.slots[i]
	}
	return all
}
