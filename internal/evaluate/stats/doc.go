// Package stats is the statistics of evaluations: intervals, resampling, paired
// tests, agreement between raters. It is mathematics alone and knows nothing of
// agents, rows or files.
//
// It is ours because no well-kept Go library has these: gonum's stat package has
// neither intervals of shares, nor McNemar's test, nor agreement; the few small
// packages that have one of them each have no users to speak of. What is here is
// short, and its tests hold it to the literature's worked examples.
//
// Everything is deterministic: the same input gives the same bits, on any
// platform and any number of cores. So products are rounded before they are
// added (float64(x*y)), which keeps compilers from fusing the two, sums go in a
// fixed order, and random numbers come from a generator that is fixed here.
//
// Where a statistic is not defined, such as a share of nothing, it is NaN.
package stats
