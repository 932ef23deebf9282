// Package telemetry shows a build to the tools that watch programs: its figures
// to Prometheus (Metrics), and its course as OpenTelemetry spans (Traces).
// Nothing of it runs unless asked for. It holds no prompt, no reply and no
// secret, and changes nothing of the build.
//
// Every start of autosafe pays for the libraries that are linked into it. So
// figures are written with the library of Prometheus's text format, not with its
// client, which takes half a millisecond before main and would count again what
// is counted elsewhere. Spans are sent by OpenTelemetry's own exporter.
package telemetry
