package snp

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"

	"github.com/cleanroom-go/sdk/internal/transport"
)

// Where certificates are served.
const (
	defaultTHIM       = "http://169.254.169.254/metadata/THIM/amd/certification"
	defaultAMD        = "https://kdsintf.amd.com/vcek/v1"
	defaultAzureCache = "https://global.acccache.azure.net"

	azureCacheTEE     = "SevSnpVM"
	azureCacheVersion = "2020-10-15-preview"
	azureCacheClient  = "ConfidentialACI"
)

// ServiceOptions are the options of the sources that are services. The zero
// value is ready.
type ServiceOptions struct {
	// ClientOptions inject a transport and say how to try again: a refusal of
	// 408, 429 or from 500 on, and a failed connection, are retried within the
	// context and with the service's Retry-After. No redirect is followed, and
	// an answer has at most 64 KiB.
	azcore.ClientOptions
	// Endpoint is the URL below which the service answers, with a port if need
	// be; empty means the genuine one. It must be https, but for a literal
	// loopback or link-local address.
	Endpoint string
	// Product is the product line that AMD is asked for when the report does not
	// name one, as those before version 3 do not; empty means "Milan".
	Product string
	// TEE is the kind of certificates the Azure cache is asked for; empty means
	// "SevSnpVM". APIVersion is its api-version; empty means
	// "2020-10-15-preview". ClientID is its clientId; empty means
	// "ConfidentialACI", "-" none.
	TEE, APIVersion, ClientID string
}

// service asks one endpoint.
type service struct {
	name, endpoint string
	opts           ServiceOptions
	pipeline       runtime.Pipeline
}

func newService(name, endpoint string, opts *ServiceOptions) (*service, error) {
	if opts == nil {
		opts = &ServiceOptions{}
	}
	s := &service{name: name, opts: *opts, endpoint: endpoint}
	if opts.Endpoint != "" {
		s.endpoint = opts.Endpoint
	}
	s.endpoint = strings.TrimRight(s.endpoint, "/")
	u, err := url.Parse(s.endpoint)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return nil, fmt.Errorf("skr/snp: certificates of %s: the endpoint is no plain URL", name)
	case u.Scheme == "http" && isLocal(u.Hostname()):
	case u.Scheme != "https":
		return nil, fmt.Errorf("skr/snp: certificates of %s: the endpoint %s is not https", name, s.endpoint)
	}
	azure := opts.ClientOptions
	if azure.Transport == nil && u.Scheme == "http" {
		azure.Transport = local
	}
	azure = transport.Harden(azure, func(*http.Request, *http.Response) int64 { return maxCertificates })
	s.pipeline = runtime.NewPipeline("skr/snp", "v0.1.0", runtime.PipelineOptions{}, &azure)
	return s, nil
}

// local reaches services of this machine: never through a proxy, which would be
// another machine.
var local = &http.Client{Transport: &http.Transport{
	DialContext:           (&net.Dialer{Timeout: 2 * time.Second}).DialContext,
	ResponseHeaderTimeout: 10 * time.Second,
	IdleConnTimeout:       30 * time.Second,
}}

// isLocal reports whether a host is this machine or its host by a literal
// address; a name could be anybody's.
func isLocal(host string) bool {
	ip, err := netip.ParseAddr(host)
	return err == nil && (ip.IsLoopback() || ip.IsLinkLocalUnicast())
}

// get is the body of a good answer.
func (s *service) get(ctx context.Context, address string, header ...string) ([]byte, error) {
	req, err := runtime.NewRequest(ctx, http.MethodGet, address)
	if err != nil {
		return nil, err
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Raw().Header.Set(header[i], header[i+1])
	}
	resp, err := s.pipeline.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, &serviceError{fmt.Sprintf("%d %s", resp.StatusCode, http.StatusText(resp.StatusCode)), runtime.NewResponseError(resp)}
	}
	return runtime.Payload(resp)
}

// serviceError is one line; azcore's own text is a page, and stays reachable
// with errors.As.
type serviceError struct {
	text string
	err  error
}

func (e *serviceError) Error() string { return e.text }
func (e *serviceError) Unwrap() error { return e.err }

// fitting is the end of every service's answer.
func (s *service) fitting(c *Chain, err error, r *Report) (*Chain, error) {
	if err == nil {
		err = c.Fits(r)
	}
	if err != nil {
		return nil, fmt.Errorf("skr/snp: certificates of %s at %s: %w", s.name, s.endpoint, err)
	}
	return c, nil
}

// THIMChain is the source on the host of a container group: Trusted Hardware
// Identity Management, at the link-local address of the metadata service.
func THIMChain(opts *ServiceOptions) (ChainSource, error) {
	s, err := newService("THIM", defaultTHIM, opts)
	if err != nil {
		return nil, err
	}
	return (*thim)(s), nil
}

type thim service

func (t *thim) Chain(ctx context.Context, r *Report) (*Chain, error) {
	s := (*service)(t)
	body, err := s.get(ctx, s.endpoint, "Metadata", "true")
	var c *Chain
	if err == nil {
		c, err = parseHostDocument(body)
	}
	return s.fitting(c, err, r)
}

// AMDChain is the source at AMD itself, the Key Distribution Service (AMD 57230,
// chapter 4). It learns which processor asks, and answers few requests a minute:
// put a [ChainCache] before it.
func AMDChain(opts *ServiceOptions) (ChainSource, error) {
	s, err := newService("AMD", defaultAMD, opts)
	if err != nil {
		return nil, err
	}
	if s.opts.Product != "" && !product.MatchString(s.opts.Product) {
		return nil, errors.New("skr/snp: certificates of AMD: the product line is not of letters and digits")
	}
	return (*amd)(s), nil
}

// product keeps a product line from reaching into the path.
var product = regexp.MustCompile(`^[A-Za-z0-9]{1,32}$`)

type amd service

func (a *amd) Chain(ctx context.Context, r *Report) (*Chain, error) {
	s := (*service)(a)
	c, err := a.chain(ctx, r)
	return s.fitting(c, err, r)
}

func (a *amd) chain(ctx context.Context, r *Report) (*Chain, error) {
	s := (*service)(a)
	line := r.Product
	if line == "" {
		line = s.opts.Product
	}
	if line == "" {
		line = Milan
	}
	der, err := s.get(ctx, s.endpoint+"/"+line+"/"+kdsPath(line, r))
	if err != nil {
		return nil, fmt.Errorf("VCEK: %w", err)
	}
	vcek, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("VCEK: %w", err)
	}
	issuers, err := s.get(ctx, s.endpoint+"/"+line+"/cert_chain")
	if err != nil {
		return nil, fmt.Errorf("cert_chain: %w", err)
	}
	certs, err := parseCertificates(issuers)
	if err != nil {
		return nil, fmt.Errorf("cert_chain: %w", err)
	}
	return newChain(append([]*x509.Certificate{vcek}, certs...))
}

// AMDURL is where AMD hands out the VCEK of a report, in DER: for somebody who
// fetches it by hand, to verify the report elsewhere. A report before version 3
// does not name its product line; product stands in for it, empty for "Milan".
func AMDURL(r *Report, product string) string {
	if r.Product != "" {
		product = r.Product
	} else if product == "" {
		product = Milan
	}
	return defaultAMD + "/" + product + "/" + kdsPath(product, r)
}

// kdsPath names a VCEK: the chip, and each component of the TCB. Turin has the
// component fmc below the others, and a chip id of 8 bytes.
func kdsPath(line string, r *Report) string {
	id, arcs := r.ChipID[:], tcbArcs
	if line == Turin {
		id, arcs = r.ChipID[:8], turinTCBArcs
	}
	names := map[int]string{9: "fmcSPL", 1: "blSPL", 2: "teeSPL", 3: "snpSPL", 8: "ucodeSPL"}
	query := make([]string, 0, len(names))
	for i, arc := range arcs {
		if name := names[arc]; name != "" {
			query = append(query, name+"="+strconv.Itoa(int(byte(r.ReportedTCB>>(8*i)))))
		}
	}
	return hex.EncodeToString(id) + "?" + strings.Join(query, "&")
}

// AzureCacheChain is the source of Azure's cache of AMD's certificates, which
// stands in each region and globally.
func AzureCacheChain(opts *ServiceOptions) (ChainSource, error) {
	s, err := newService("the Azure cache", defaultAzureCache, opts)
	if err != nil {
		return nil, err
	}
	for option, standard := range map[*string]string{&s.opts.TEE: azureCacheTEE, &s.opts.APIVersion: azureCacheVersion, &s.opts.ClientID: azureCacheClient} {
		if *option == "" {
			*option = standard
		}
	}
	return (*azureCache)(s), nil
}

type azureCache service

func (a *azureCache) Chain(ctx context.Context, r *Report) (*Chain, error) {
	s := (*service)(a)
	query := url.Values{"api-version": {s.opts.APIVersion}}
	if s.opts.ClientID != "-" {
		query.Set("clientId", s.opts.ClientID)
	}
	// The TCB has no leading zeros here.
	body, err := s.get(ctx, fmt.Sprintf("%s/%s/certificates/%x/%x?%s", s.endpoint, url.PathEscape(s.opts.TEE), r.ChipID, r.ReportedTCB, query.Encode()))
	var c *Chain
	if err == nil {
		var certs []*x509.Certificate
		if certs, err = parseCertificates(bytes.TrimSpace(body)); err == nil {
			c, err = newChain(certs)
		}
	}
	return s.fitting(c, err, r)
}

var (
	_ ChainSource = (*thim)(nil)
	_ ChainSource = (*amd)(nil)
	_ ChainSource = (*azureCache)(nil)
)
