package datasink

import (
	"bufio"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"github.com/cleanroom-go/sdk/internal/testpki"
)

// serverEnv makes this test binary a server for benchmarks: a process of its
// own, so that what a client costs can be told apart.
const serverEnv = "DATASINK_BENCH_SERVER"

func TestMain(m *testing.M) {
	if kind := os.Getenv(serverEnv); kind != "" {
		if err := serve(kind == "tls"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if what := os.Getenv(clientEnv); what != "" {
		if err := runClient(what); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if dir := os.Getenv(killEnv); dir != "" {
		fmt.Fprintln(os.Stderr, writeUntilKilled(dir))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// serve prints its address and its root, and ends with its standard input.
func serve(secure bool) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	root := "-"
	if secure {
		ca, err := testpki.New("Benchmark")
		if err != nil {
			return err
		}
		cert, err := ca.Issue("127.0.0.1")
		if err != nil {
			return err
		}
		listener = tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{*cert}, NextProtos: []string{"http/1.1"}})
		root = base64.StdEncoding.EncodeToString(ca.RootPEM())
	}
	fmt.Println(listener.Addr(), root)
	go func() {
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	return http.Serve(listener, discarder{blob: map[string]*stored{}})
}

// discarder answers as blob storage does to what the benchmarks ask. Of what
// is written it keeps nothing but the length; a blob that is read is the one
// that the client described, made of one block over and over.
type discarder struct{ blob map[string]*stored }

type stored struct {
	size    int64
	pattern []byte
}

func (d discarder) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("x-ms-version", "2026-06-06")
	h.Set("Last-Modified", time.Unix(1700000000, 0).UTC().Format(http.TimeFormat))
	h.Set("ETag", `"0x1"`)
	if sum := r.Header.Get("x-ms-encryption-key-sha256"); sum != "" {
		h.Set("x-ms-encryption-key-sha256", sum)
		h.Set("x-ms-request-server-encrypted", "true")
		h.Set("x-ms-server-encrypted", "true")
	}
	switch r.Method {
	case http.MethodPut:
		if r.Header.Get("x-bench-pattern") != "" {
			pattern, err := io.ReadAll(r.Body)
			size, sizeErr := strconv.ParseInt(r.Header.Get("x-bench-size"), 10, 64)
			if err != nil || sizeErr != nil {
				w.WriteHeader(http.StatusBadRequest)
				return
			}
			d.blob[r.URL.Path] = &stored{size, pattern}
		} else if _, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, r.Body, make([]byte, 1<<20)); err != nil {
			return
		}
		w.WriteHeader(http.StatusCreated)
	case http.MethodDelete:
		w.WriteHeader(http.StatusAccepted)
	case http.MethodHead, http.MethodGet:
		b := d.blob[r.URL.Path]
		if b == nil {
			h.Set("x-ms-error-code", "BlobNotFound")
			w.WriteHeader(http.StatusNotFound)
			return
		}
		b.give(w, r)
	}
}

func (b *stored) give(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	from, to := int64(0), b.size-1
	if v, ok := strings.CutPrefix(r.Header.Get("x-ms-range"), "bytes="); ok {
		fmt.Sscanf(v, "%d-%d", &from, &to)
		to = min(to, b.size-1)
		h.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to, b.size))
	}
	h.Set("Content-Length", strconv.FormatInt(to-from+1, 10))
	if r.Method == http.MethodHead {
		return
	}
	if h.Get("Content-Range") != "" {
		w.WriteHeader(http.StatusPartialContent)
	}
	for n := to - from + 1; n > 0; {
		part := b.pattern[from%int64(len(b.pattern)):]
		part = part[:min(n, int64(len(part)))]
		if _, err := w.Write(part); err != nil {
			return
		}
		n, from = n-int64(len(part)), from+int64(len(part))
	}
}

// bench is a server in another process, and what a client needs to reach it.
type bench struct {
	url    string
	root   string // base64 of PEM, or "-"
	client *http.Client
}

func startBench(b *testing.B, secure bool) *bench {
	b.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, os.Args[0])
	kind, scheme := "plain", "http"
	if secure {
		kind, scheme = "tls", "https"
	}
	cmd.Env = append(os.Environ(), serverEnv+"="+kind)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		in.Close()
		cmd.Wait()
		cancel()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	address, root, _ := strings.Cut(strings.TrimSpace(line), " ")
	client, err := benchClient(root)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(client.CloseIdleConnections)
	return &bench{scheme + "://" + address + "/container", root, client}
}

// benchClient trusts a root, if it is one.
func benchClient(root string) (*http.Client, error) {
	transport := &http.Transport{MaxIdleConnsPerHost: 16, DisableCompression: true}
	if root != "-" {
		pem, err := base64.StdEncoding.DecodeString(root)
		if err != nil {
			return nil, err
		}
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(pem)
		transport.TLSClientConfig = &tls.Config{RootCAs: pool, NextProtos: []string{"http/1.1"}}
	}
	return &http.Client{Transport: transport}, nil
}

// sink is one on the server, over http too, which New refuses.
func (f *bench) sink(b *testing.B, opts *Options) *Sink {
	b.Helper()
	s, err := sinkOn(f.url, f.client, opts)
	if err != nil {
		b.Fatal(err)
	}
	return s
}

func sinkOn(url string, client *http.Client, opts *Options) (*Sink, error) {
	c, err := containerOn(url, client, opts)
	if err != nil {
		return nil, err
	}
	return newSink(&blobBackend{url: url, client: c, key: newCustomerKey(opts)}, opts)
}

func (f *bench) container(b *testing.B, opts *Options) *container.Client {
	b.Helper()
	c, err := containerOn(f.url, f.client, opts)
	if err != nil {
		b.Fatal(err)
	}
	return c
}

func containerOn(url string, client *http.Client, opts *Options) (*container.Client, error) {
	opts.Transport = client
	return container.NewClientWithNoCredential(url, &container.ClientOptions{ClientOptions: clientOptions(opts.ClientOptions)})
}

// describe tells the server of a blob to be read.
func (f *bench) describe(b *testing.B, name string, size int64, pattern io.Reader) {
	b.Helper()
	req, err := http.NewRequestWithContext(b.Context(), http.MethodPut, f.url+"/"+name, pattern)
	if err != nil {
		b.Fatal(err)
	}
	req.Header.Set("x-bench-pattern", "1")
	req.Header.Set("x-bench-size", strconv.FormatInt(size, 10))
	answer, err := f.client.Do(req)
	if err != nil {
		b.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusCreated {
		b.Fatal(answer.Status)
	}
}

// benchKey is a fixed key, so that runs are alike.
func benchKey(label string) (*DEK, error) {
	sum := sha256.Sum256([]byte(label))
	return ParseDEK(sum[:])
}
