package stats

import "math"

// Kappa is Cohen's κ of a square table, row by row, of how often one rater gave
// the row's label where another gave the column's: agreement beyond what two
// raters with these habits would reach by chance. It is NaN where both always give
// the same label, as chance then explains everything.
//
// J. Cohen, A coefficient of agreement for nominal scales, Educational and
// Psychological Measurement 20 (1960).
func Kappa(table []float64) float64 {
	k := side(table)
	n, same, chance := 0.0, 0.0, 0.0
	for _, c := range table {
		n += c
	}
	for i := range k {
		row, col := 0.0, 0.0
		for j := range k {
			row += table[i*k+j]
			col += table[j*k+i]
		}
		same += table[i*k+i]
		chance += float64(row * col)
	}
	chance /= n
	if !(n > 0) || n-chance <= 0 {
		return math.NaN()
	}
	return (same - chance) / (n - chance)
}

// Agreement is the share of a square table that lies on its diagonal.
func Agreement(table []float64) float64 {
	k := side(table)
	n, same := 0.0, 0.0
	for i, c := range table {
		n += c
		if i%(k+1) == 0 {
			same += c
		}
	}
	if !(n > 0) {
		return math.NaN()
	}
	return same / n
}

// side is the number of labels of a square table.
func side(table []float64) int { return int(math.Round(math.Sqrt(float64(len(table))))) }

// AddUnit adds a unit to a table of coincidences, from which Alpha is made.
// counts says how many raters gave the unit each value; raters who gave none do
// not count, and a unit with fewer than two values adds nothing.
func AddUnit(table, counts []float64) {
	m := 0.0
	for _, c := range counts {
		m += c
	}
	if m < 2 {
		return
	}
	k := len(counts)
	for i, a := range counts {
		for j, b := range counts {
			pairs := float64(a * b)
			if i == j {
				pairs = float64(a * (a - 1))
			}
			table[i*k+j] += pairs / (m - 1)
		}
	}
}

// Alpha is Krippendorff's α of a table of coincidences: agreement of any number of
// raters, any of whom may have left units out, beyond chance. For ordinal values,
// which must be in order, raters disagree the more the further apart their values
// are. It is NaN where all values are alike.
//
// K. Krippendorff, Computing Krippendorff's alpha-reliability (2011); the same in
// Content Analysis, chapter 11.
func Alpha(table []float64, ordinal bool) float64 {
	k := side(table)
	n, totals := 0.0, make([]float64, k)
	for i := range k {
		for j := range k {
			totals[i] += table[i*k+j]
		}
		n += totals[i]
	}
	seen, chance := 0.0, 0.0
	for i := range k {
		for j := range i {
			d := 1.0
			if ordinal {
				d = ordinalDistance(totals, j, i)
			}
			seen += float64(table[i*k+j] * d)
			chance += float64(float64(totals[i]*totals[j]) * d)
		}
	}
	if !(chance > 0) {
		return math.NaN()
	}
	return 1 - float64((n-1)*seen)/chance
}

// ordinalDistance is the squared number of values that lie from the i-th to the
// j-th, of which the ends count by half.
func ordinalDistance(totals []float64, i, j int) float64 {
	sum := -(totals[i] + totals[j]) / 2
	for _, t := range totals[i : j+1] {
		sum += t
	}
	return sum * sum
}

// AUROC is the area under the receiver operating characteristic of ordered scores,
// where lower says positive: how likely a positive item has a lower score than a
// negative one, equal scores being half that. positive and negative say how many
// items have each score. It is NaN where there are none of either.
//
// J. A. Hanley and B. J. McNeil, The meaning and use of the area under a receiver
// operating characteristic (ROC) curve, Radiology 143 (1982).
func AUROC(positive, negative []float64) float64 {
	lower, pairs, above := 0.0, 0.0, 0.0
	for _, n := range negative {
		above += n
	}
	all := above
	for i, p := range positive {
		above -= negative[i]
		lower += float64(p*above) + float64(p*negative[i])/2
		pairs += float64(p * all)
	}
	if !(pairs > 0) {
		return math.NaN()
	}
	return lower / pairs
}
