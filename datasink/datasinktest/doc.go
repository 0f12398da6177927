// Package datasinktest is the conformance suite of sinks: what package
// datasink promises of every backend, as tests. It runs against memory and
// directories in the package's own tests, against the local blob service, and
// against Azurite where the variable AZURITE_BLOB_ENDPOINT leads package
// datasink's TestAzurite to one. Azurite proves signatures on the wire, blocks,
// conditions, ranges and listings; it knows no customer-provided keys, takes
// block ids of unequal length, and checks no signature of a token: those are
// proved against the local blob service alone.
// To run the suite against a real container, call [Run] with a function that makes
// sinks on empty containers of an account of yours.
package datasinktest

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/cleanroom-go/sdk/datasink"
)

// block is the block size of the suite's sinks: small, so that a few kilobytes
// have many blocks.
const block = 1 << 10

// Maker returns a sink on an empty container. It adds to the options what its
// backend needs and leaves the rest as it is.
type Maker func(t *testing.T, opts *datasink.Options) *datasink.Sink

// Run runs the suite.
func Run(t *testing.T, make Maker) {
	tests := []struct {
		name string
		run  func(*testing.T, *suite)
	}{
		{"RoundTrip", testRoundTrip},
		{"ReaderContract", testReaderContract},
		{"NothingBeforeCommit", testNothingBeforeCommit},
		{"AbortKeepsOld", testAbortKeepsOld},
		{"StickyErrors", testStickyErrors},
		{"Cancelled", testCancelled},
		{"EndedWriter", testEndedWriter},
		{"WriteFile", testWriteFile},
		{"TwoWriters", testTwoWriters},
		{"Exclusive", testExclusive},
		{"RemovedMeanwhile", testRemovedMeanwhile},
		{"ChangedWhileReading", testChangedWhileReading},
		{"Absent", testAbsent},
		{"List", testList},
		{"Names", testNames},
		{"Download", testDownload},
		{"DownloadReplaces", testDownloadReplaces},
		{"Concurrent", testConcurrent},
		{"Progress", testProgress},
		{"Closed", testClosed},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := &suite{make: make}
			s.sink = s.open(t, &datasink.Options{})
			test.run(t, s)
		})
	}
}

type suite struct {
	make Maker
	sink *datasink.Sink
}

func (s *suite) open(t *testing.T, opts *datasink.Options) *datasink.Sink {
	t.Helper()
	opts.Streams = 3
	if opts.BlockSize == 0 {
		opts.BlockSize = block
	}
	sink := s.make(t, opts)
	if _, err := sink.CreateContainer(t.Context()); err != nil {
		t.Fatal(err)
	}
	return sink
}

// sizes are the lengths around the borders of blocks, and of the ring.
var sizes = []int{0, 1, block - 1, block, block + 1, 2 * block, 3*block + 7, 4 * block, 9*block - 1}

func random(n int) []byte {
	rng := rand.New(rand.NewPCG(uint64(n), 7))
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(rng.Uint32())
	}
	return p
}

func (s *suite) put(t *testing.T, name string, data []byte) {
	t.Helper()
	err := s.sink.WriteFile(t.Context(), name, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (s *suite) get(t *testing.T, name string) []byte {
	t.Helper()
	r, err := s.sink.Open(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var b bytes.Buffer
	if n, err := r.WriteTo(&b); err != nil || n != r.Size() {
		t.Fatalf("%s: %d of %d bytes, error %v", name, n, r.Size(), err)
	}
	return b.Bytes()
}

func (s *suite) want(t *testing.T, name string, data []byte) {
	t.Helper()
	if got := s.get(t, name); !bytes.Equal(got, data) {
		t.Fatalf("%s: got %d bytes, want %d, or other bytes", name, len(got), len(data))
	}
}

// sized says whether a blob of n bytes may be described so: in mode CSE, which
// pads, by the greatest size that it can have.
func (s *suite) sized(item datasink.Item, n int64) bool {
	return item.Size == n || s.sink.Mode() == datasink.CSE && item.Size > n && item.Size < item.Stored
}

func (s *suite) names(t *testing.T) []string {
	t.Helper()
	var names []string
	for item, err := range s.sink.List(context.WithoutCancel(t.Context())) {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, item.Name)
	}
	return names
}
