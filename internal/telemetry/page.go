package telemetry

import (
	"cmp"
	"math"
	"slices"
	"strings"

	dto "github.com/prometheus/client_model/go"
)

// page collects figures by name.
type page struct{ families []*dto.MetricFamily }

// family is that of a name, known or new.
func (p *page) family(name, help string, kind dto.MetricType) *dto.MetricFamily {
	i := slices.IndexFunc(p.families, func(f *dto.MetricFamily) bool { return f.GetName() == name })
	if i < 0 {
		p.families = append(p.families, &dto.MetricFamily{Name: &name, Help: &help, Type: &kind})
		i = len(p.families) - 1
	}
	return p.families[i]
}

func (p *page) gauge(name, help string, v float64, labels ...string) {
	f := p.family(name, help, dto.MetricType_GAUGE)
	f.Metric = append(f.Metric, &dto.Metric{Label: pairs(labels), Gauge: &dto.Gauge{Value: &v}})
}

func (p *page) counter(name, help string, v float64, labels ...string) {
	f := p.family(name, help, dto.MetricType_COUNTER)
	f.Metric = append(f.Metric, &dto.Metric{Label: pairs(labels), Counter: &dto.Counter{Value: &v}})
}

func (p *page) histogram(name, help string, t *times, labels ...string) {
	f := p.family(name, help, dto.MetricType_HISTOGRAM)
	n, sum := t.n, t.sum
	h := &dto.Histogram{SampleCount: &n, SampleSum: &sum}
	below := uint64(0)
	for i, bound := range append(buckets(), math.Inf(1)) {
		below += t.counts[i]
		count := below
		h.Bucket = append(h.Bucket, &dto.Bucket{CumulativeCount: &count, UpperBound: &bound})
	}
	f.Metric = append(f.Metric, &dto.Metric{Label: pairs(labels), Histogram: h})
}

// pairs makes labels of names and values.
func pairs(labels []string) (list []*dto.LabelPair) {
	for i := 0; i+1 < len(labels); i += 2 {
		name, value := labels[i], strings.ToValidUTF8(labels[i+1], "\uFFFD")
		list = append(list, &dto.LabelPair{Name: &name, Value: &value})
	}
	return list
}

func sortedIDs(m map[[2]string]*times) [][2]string {
	var list [][2]string
	for id := range m {
		list = append(list, id)
	}
	slices.SortFunc(list, func(a, b [2]string) int { return cmp.Or(cmp.Compare(a[0], b[0]), cmp.Compare(a[1], b[1])) })
	return list
}
