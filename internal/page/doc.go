// Package page makes what pages for people are put together from: Markdown,
// plots in SVG, and texts of models, tools and files that read there as those
// texts, whatever they hold. The card of a dataset and the report of an
// evaluation are such pages.
//
// Plots are drawn here and not by a library. Measured in November 2026, on the
// program as a whole: gonum.org/v1/plot v0.17 brings fonts, TeX and PDF along,
// which makes it 6.9 MB larger, takes 230 KB before main in every command and
// 14 MB more memory at its peak; a build with nothing to do takes 11 ms in all.
// github.com/go-analyze/charts v0.5.20 and github.com/wcharczuk/go-chart/v2 v2.1.2
// cost little, but write labels into SVG without escaping them, so a group named
// "<script>" is one, and draw no intervals. All three have one set of colours,
// where a page may be light or dark.
package page
