package blob_test

import (
	"bytes"
	"io"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	azblob "github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"github.com/cleanroom-go/sdk/datasink"
)

const (
	benchSize    = 128 << 20
	benchBlock   = 8 << 20
	benchStreams = 4
)

// source yields the same block over and over: nothing of it is measured but a
// copy, and a type that io.Copy could shortcut is not in the way.
type source struct {
	block []byte
	left  int
}

func (s *source) Read(p []byte) (int, error) {
	if s.left == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), s.left)], s.block[(benchSize-s.left)%len(s.block):])
	s.left -= n
	return n, nil
}

// http1 is how the genuine service is reached: it speaks no HTTP/2.
func (f *fixture) http1() azcore.ClientOptions {
	transport := f.network.Client.Transport.(*http.Transport).Clone()
	transport.ForceAttemptHTTP2 = false
	transport.TLSNextProto = nil
	transport.TLSClientConfig.NextProtos = []string{"http/1.1"}
	transport.MaxIdleConnsPerHost = benchStreams
	opts := f.options()
	opts.Transport = &http.Client{Transport: transport}
	return opts
}

// BenchmarkUpload writes the same bytes through a sink in mode CPK and through
// UploadStream of the Azure SDK in plain, in turn, over TLS to this server in
// this process. It reports the median of the ratios of their rates, and beside
// it the spread of plain against plain. The sink computes a CRC64 of each
// block, which the server checks; UploadStream does not, so that both sides of
// that cost count against the sink. The ratio to an UploadStream that is told
// to do the same stands beside it.
func BenchmarkUpload(b *testing.B) {
	f := newFixture(b)
	opts := f.http1()
	block := make([]byte, 3<<20+1)
	copy(block, content(len(block)))
	sink := f.sink(b, &datasink.Options{ClientOptions: opts, Mode: datasink.CPK, DEK: newDEK(b), BlockSize: benchBlock, Streams: benchStreams})
	plain, err := container.NewClient(sink.String(), identity(owner), &container.ClientOptions{ClientOptions: opts})
	if err != nil {
		b.Fatal(err)
	}
	measure := func(run func() error) float64 {
		start := time.Now()
		if err := run(); err != nil {
			b.Fatal(err)
		}
		took := time.Since(start)
		if err := sink.Remove(b.Context(), "a"); err != nil {
			b.Fatal(err)
		}
		return benchSize / took.Seconds() / (1 << 20)
	}
	withSink := func() error {
		w, err := sink.Create(b.Context(), "a", nil)
		if err != nil {
			return err
		}
		defer w.Close()
		if _, err := w.ReadFrom(&source{block, benchSize}); err != nil {
			return err
		}
		return w.Commit()
	}
	stream := func(check azblob.TransferValidationType) func() error {
		return func() error {
			_, err := plain.NewBlockBlobClient("a").UploadStream(b.Context(), &source{block, benchSize}, &blockblob.UploadStreamOptions{
				BlockSize: benchBlock, Concurrency: benchStreams, TransactionalValidation: check,
			})
			return err
		}
	}
	withSDK, checked := stream(nil), stream(azblob.TransferValidationTypeComputeCRC64())
	measure(withSink)
	measure(withSDK)
	var ratios, ratiosChecked, spread, rates []float64
	for b.Loop() {
		first, sealed, second := measure(withSDK), measure(withSink), measure(withSDK)
		ratiosChecked = append(ratiosChecked, sealed/measure(checked))
		ratios = append(ratios, 2*sealed/(first+second))
		spread = append(spread, first/second)
		rates = append(rates, sealed)
	}
	b.ReportMetric(median(rates), "MiB/s")
	b.ReportMetric(median(ratios), "ratio")
	b.ReportMetric(median(ratiosChecked), "ratio-crc")
	b.ReportMetric(slices.Min(spread), "plain-min")
	b.ReportMetric(slices.Max(spread), "plain-max")
}

// BenchmarkServer is the rate at which this server takes and gives blocks.
func BenchmarkServer(b *testing.B) {
	f := newFixture(b)
	c, err := container.NewClient(f.containerURL(), identity(owner), &container.ClientOptions{ClientOptions: f.http1()})
	if err != nil {
		b.Fatal(err)
	}
	if _, err := c.Create(b.Context(), nil); err != nil {
		b.Fatal(err)
	}
	target := c.NewBlockBlobClient("a")
	data := make([]byte, benchBlock)
	b.Run("put", func(b *testing.B) {
		b.SetBytes(benchBlock)
		for b.Loop() {
			if _, err := target.Upload(b.Context(), body{bytes.NewReader(data)}, nil); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("get", func(b *testing.B) {
		b.SetBytes(benchBlock)
		for b.Loop() {
			r, err := target.BlobClient().DownloadStream(b.Context(), nil)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, r.Body); err != nil {
				b.Fatal(err)
			}
			r.Body.Close()
		}
	})
}

func median(v []float64) float64 {
	v = slices.Clone(v)
	slices.Sort(v)
	return v[len(v)/2]
}
