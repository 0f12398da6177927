package datasink

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
)

// benchSize is what is moved in one measurement. DATASINK_BENCH_MIB changes it.
var benchSize = envMiB("DATASINK_BENCH_MIB", 256) << 20

const (
	benchStreams = 4
	benchPairs   = 11
)

func envMiB(name string, value int64) int64 {
	if n, err := strconv.ParseInt(os.Getenv(name), 10, 64); err == nil && n > 0 {
		return n
	}
	return value
}

// endless yields the same bytes over and over, up to a length. io.Copy finds
// no shortcut in it.
type endless struct {
	block []byte
	left  int64
}

func (s *endless) Read(p []byte) (int, error) {
	if s.left == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(int64(len(p)), s.left)], s.block[(benchSize-s.left)%int64(len(s.block)):])
	s.left -= int64(n)
	return n, nil
}

var benchBlock = func() []byte {
	p := make([]byte, 3<<20+1)
	rand.NewChaCha8([32]byte{1}).Read(p)
	return p
}()

// BenchmarkUpload writes the same bytes through a sink and through UploadStream
// of the Azure SDK, in plain, in turn, to a server in another process that
// discards them. Each figure is a median of pairs: of the rates' ratio (of-plain),
// of the client's processor time (cpu-s/GiB, and of the difference to plain,
// cpu-more). plain-min and plain-max are the spread of plain against plain.
func BenchmarkUpload(b *testing.B) {
	for _, secure := range []bool{false, true} {
		for _, mode := range []Mode{Sealed, CSE, CPK} {
			if mode == CPK && !secure {
				continue // it exists over TLS alone
			}
			name := fmt.Sprintf("%s/http", mode)
			if secure {
				name = fmt.Sprintf("%s/tls", mode)
			}
			b.Run(name, func(b *testing.B) { benchUpload(b, mode, secure) })
		}
	}
}

func benchOptions(b *testing.B, mode Mode) *Options {
	b.Helper()
	opts, err := optionsFor(mode)
	if err != nil {
		b.Fatal(err)
	}
	return opts
}

func optionsFor(mode Mode) (*Options, error) {
	dek, err := benchKey(string(mode))
	return &Options{Mode: mode, DEK: dek, Streams: benchStreams, Contract: "contract", Datasink: "output"}, err
}

func benchUpload(b *testing.B, mode Mode, secure bool) {
	f := startBench(b, secure)
	opts := benchOptions(b, mode)
	s := f.sink(b, opts)
	plain := f.container(b, &Options{}).NewBlockBlobClient("a")
	compare(b, func() error {
		w, err := s.Create(b.Context(), "a", nil)
		if err != nil {
			return err
		}
		defer w.Close()
		if _, err := w.ReadFrom(&endless{benchBlock, benchSize}); err != nil {
			return err
		}
		return w.Commit()
	}, func() error {
		_, err := plain.UploadStream(b.Context(), &endless{benchBlock, benchSize}, &blockblob.UploadStreamOptions{
			BlockSize: int64(s.blockSize), Concurrency: benchStreams,
		})
		return err
	})
	b.ReportMetric(float64((benchStreams+1)*s.blockSize)/(1<<20), "ring-MiB")
}

// compare runs both in turn and reports the medians.
func compare(b *testing.B, ours, theirs func() error) {
	b.Helper()
	type sample struct{ rate, cpu float64 }
	measure := func(run func() error) sample {
		cpu, start := cpuTime(), time.Now()
		if err := run(); err != nil {
			b.Fatal(err)
		}
		gib := float64(benchSize) / (1 << 30)
		return sample{gib / time.Since(start).Seconds(), (cpuTime() - cpu).Seconds() / gib}
	}
	measure(ours)
	measure(theirs)
	var ratio, rate, cpu, more, spread []float64
	for range max(benchPairs, b.N) {
		first, own, second := measure(theirs), measure(ours), measure(theirs)
		ratio = append(ratio, 2*own.rate/(first.rate+second.rate))
		rate = append(rate, own.rate*1024)
		cpu = append(cpu, own.cpu)
		more = append(more, own.cpu-(first.cpu+second.cpu)/2)
		spread = append(spread, first.rate/second.rate)
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(middle(rate), "MiB/s")
	b.ReportMetric(middle(ratio), "of-plain")
	b.ReportMetric(slices.Min(spread), "plain-min")
	b.ReportMetric(slices.Max(spread), "plain-max")
	b.ReportMetric(middle(cpu), "cpu-s/GiB")
	b.ReportMetric(middle(more), "cpu-more")
	b.ReportMetric(peakMiB(), "peak-MiB")
}

func middle(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}

// peakMiB is the greatest resident memory of this process, where the system
// tells.
func peakMiB() float64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if v, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, _ := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(v), " kB"), 64)
			return kib / 1024
		}
	}
	return 0
}

// BenchmarkDownload reads the same bytes through a sink, in order, and through
// DownloadStream of the Azure SDK, in turn, with the figures of
// BenchmarkUpload. DownloadStream has one stream, the sink four.
func BenchmarkDownload(b *testing.B) {
	for _, secure := range []bool{false, true} {
		for _, mode := range []Mode{Sealed, CSE, CPK} {
			if mode == CPK && !secure {
				continue
			}
			name := fmt.Sprintf("%s/http", mode)
			if secure {
				name = fmt.Sprintf("%s/tls", mode)
			}
			b.Run(name, func(b *testing.B) { benchDownload(b, mode, secure) })
		}
	}
}

func benchDownload(b *testing.B, mode Mode, secure bool) {
	f := startBench(b, secure)
	opts := benchOptions(b, mode)
	s := f.sink(b, opts)
	stored := storedForm(b, mode, opts)
	f.describe(b, "a", stored.size, stored.r)
	plain := f.container(b, &Options{}).NewBlobClient("plain")
	// As long as the stored form, so that the server reads both from where
	// they are in its memory and not from its cache.
	f.describe(b, "plain", benchSize, &endless{benchBlock, benchSize})
	compare(b, func() error {
		r, err := s.Open(b.Context(), "a")
		if err != nil {
			return err
		}
		defer r.Close()
		n, err := r.WriteTo(io.Discard)
		if err == nil && n != benchSize {
			err = io.ErrUnexpectedEOF
		}
		return err
	}, func() error {
		answer, err := plain.DownloadStream(b.Context(), nil)
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, answer.Body, make([]byte, 1<<20))
		if err == nil && n != benchSize {
			err = io.ErrUnexpectedEOF
		}
		return err
	})
}

type storedBlob struct {
	size int64
	r    io.Reader
}

// storedForm is what the mode stores of the benchmark's bytes.
func storedForm(b *testing.B, mode Mode, opts *Options) storedBlob {
	b.Helper()
	if mode == CPK {
		return storedBlob{benchSize, &endless{benchBlock, benchSize}}
	}
	memory := Memory()
	s, err := NewWithBackend(memory, opts)
	if err != nil {
		b.Fatal(err)
	}
	err = s.WriteFile(b.Context(), "a", func(w io.Writer) error {
		_, err := w.(io.ReaderFrom).ReadFrom(&endless{benchBlock, benchSize})
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	item, err := memory.Stat(context.Background(), "a")
	if err != nil {
		b.Fatal(err)
	}
	p := make([]byte, item.Size)
	if err := memory.ReadRange(context.Background(), "a", item.ETag, p, 0); err != nil {
		b.Fatal(err)
	}
	return storedBlob{item.Size, strings.NewReader(string(p))}
}
