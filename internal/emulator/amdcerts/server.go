// Package amdcerts emulates the services that hand out the certificates of AMD
// processors: THIM on the host, AMD's Key Distribution Service, and Azure's
// cache of the latter. They answer on the genuine paths, with the genuine
// refusals, for one processor.
package amdcerts

import (
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"

	"github.com/cleanroom-go/sdk/internal/emulator/wire"
	"github.com/cleanroom-go/sdk/internal/testpki"
)

// Paths of the services.
const (
	THIMPath       = "/metadata/THIM/amd/certification"
	AMDPath        = "/vcek/v1"
	AzureCachePath = "/SevSnpVM/certificates"
)

// Processor is what certificates are issued for.
type Processor interface {
	// Product is the product line, ChipID the processor's id.
	Product() string
	ChipID() [64]byte
	// TCB is the level of the firmware that runs now.
	TCB() uint64
	// VCEK is the certificate for a TCB, nil if there is none.
	VCEK(tcb uint64) *x509.Certificate
	// Issuers are the certificates above it.
	Issuers() (ask, ark *x509.Certificate)
}

// Server answers for all three services, which real ones do under three names.
type Server struct {
	processor Processor

	mu       sync.Mutex
	requests map[string]int
	failures []int
	thim     *uint64
}

// New makes the services of a processor.
func New(p Processor) *Server { return &Server{processor: p, requests: map[string]int{}} }

// Requests counts the requests that came in, by service: "thim", "vcek",
// "cert_chain" and "cache".
func (s *Server) Requests() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string]int{}
	for k, v := range s.requests {
		out[k] = v
	}
	return out
}

// Fail answers the next requests with these statuses, one each.
func (s *Server) Fail(statuses ...int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failures = append(s.failures, statuses...)
}

// HoldTHIM keeps THIM at the certificates of a TCB although the firmware may be
// another: the host's agent is late. [Server.ReleaseTHIM] ends it.
func (s *Server) HoldTHIM(tcb uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.thim = &tcb
}

// ReleaseTHIM lets THIM follow the firmware again.
func (s *Server) ReleaseTHIM() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.thim = nil
}

// ServeHTTP implements [http.Handler].
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	service, serve := s.route(r.URL.Path)
	if r.Method != http.MethodGet || serve == nil {
		http.NotFound(w, r)
		return
	}
	s.mu.Lock()
	s.requests[service]++
	failure := 0
	if len(s.failures) > 0 {
		failure, s.failures = s.failures[0], s.failures[1:]
	}
	s.mu.Unlock()
	if failure != 0 {
		http.Error(w, http.StatusText(failure), failure)
		return
	}
	serve(w, r)
}

func (s *Server) route(path string) (string, http.HandlerFunc) {
	switch {
	case path == THIMPath:
		return "thim", s.serveTHIM
	case path == AMDPath+"/"+s.processor.Product()+"/cert_chain":
		return "cert_chain", s.serveIssuers
	case strings.HasPrefix(path, AMDPath+"/"+s.processor.Product()+"/"):
		return "vcek", s.serveVCEK
	case strings.HasPrefix(path, AzureCachePath+"/"):
		return "cache", s.serveCache
	}
	return "", nil
}

// HostDocument is THIM's answer for a TCB, and the content of the container
// group's file before base64; nil if there is no certificate for it.
func HostDocument(p Processor, tcb uint64) map[string]string {
	vcek := p.VCEK(tcb)
	if vcek == nil {
		return nil
	}
	ask, ark := p.Issuers()
	return map[string]string{
		"vcekCert":         string(testpki.PEM(vcek)),
		"certificateChain": string(testpki.PEM(ask, ark)),
		"tcbm":             fmt.Sprintf("%016X", tcb),
		"cacheControl":     "86400",
	}
}

// serveTHIM answers as the metadata service does: the header keeps a request
// that somebody was tricked into away, and a forwarded one is refused.
func (s *Server) serveTHIM(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Metadata") != "true" || r.Header.Get("X-Forwarded-For") != "" {
		wire.JSON(w, http.StatusBadRequest, map[string]string{"error": "Bad request. Required metadata header not specified"})
		return
	}
	s.mu.Lock()
	held := s.thim
	s.mu.Unlock()
	tcb := s.processor.TCB()
	if held != nil {
		tcb = *held
	}
	wire.JSON(w, http.StatusOK, HostDocument(s.processor, tcb))
}

func (s *Server) serveIssuers(w http.ResponseWriter, _ *http.Request) {
	ask, ark := s.processor.Issuers()
	w.Header().Set("Content-Type", "application/x-pem-file")
	_, _ = w.Write(testpki.PEM(ask, ark))
}

// serveVCEK answers in DER.
func (s *Server) serveVCEK(w http.ResponseWriter, r *http.Request) {
	chip := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
	tcb, ok := tcbOf(r.URL.Query())
	if !ok || len(chip) != 128 {
		http.Error(w, "Invalid parameters", http.StatusBadRequest)
		return
	}
	vcek := s.find(chip, tcb)
	if vcek == nil {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/pkix-cert")
	_, _ = w.Write(vcek.Raw)
}

// tcbOf composes a TCB of a product line before Turin.
func tcbOf(query url.Values) (tcb uint64, ok bool) {
	for name, shift := range map[string]int{"blSPL": 0, "teeSPL": 8, "snpSPL": 48, "ucodeSPL": 56} {
		n, err := strconv.ParseUint(query.Get(name), 10, 8)
		if err != nil {
			return 0, false
		}
		tcb |= n << shift
	}
	return tcb, len(query) == 4
}

// serveCache answers with the whole chain in PEM.
func (s *Server) serveCache(w http.ResponseWriter, r *http.Request) {
	chip, level, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, AzureCachePath+"/"), "/")
	tcb, err := strconv.ParseUint(level, 16, 64)
	switch {
	case r.URL.Query().Get("api-version") == "":
		wire.Fail(w, wire.Errorf(http.StatusBadRequest, "MissingApiVersionParameter", "The api-version query parameter (?api-version=) is required for all requests."))
		return
	case err != nil || level[0] == '0' || len(chip) != 128:
		wire.Fail(w, wire.Errorf(http.StatusBadRequest, "InvalidParameter", "chip id or TCB version is malformed"))
		return
	}
	vcek := s.find(chip, tcb)
	if vcek == nil {
		wire.Fail(w, wire.Errorf(http.StatusNotFound, "NotFound", "no certificate of this chip and TCB version"))
		return
	}
	ask, ark := s.processor.Issuers()
	_, _ = w.Write(testpki.PEM(vcek, ask, ark))
}

func (s *Server) find(chip string, tcb uint64) *x509.Certificate {
	id := s.processor.ChipID()
	if !strings.EqualFold(chip, hex.EncodeToString(id[:])) {
		return nil
	}
	return s.processor.VCEK(tcb)
}
