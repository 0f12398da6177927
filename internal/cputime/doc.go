// Package cputime reads the processor time of this process, so that a benchmark
// says the same on a machine that does other work beside it.
package cputime
