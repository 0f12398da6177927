package sidecar

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	"github.com/cleanroom-go/sdk/skr"
)

// What the SKR sidecar says has failed.
const (
	whatFormat   = "invalid request format"
	whatBase64   = "decoding base64-encoded runtime data of request failed"
	whatAttested = "attestation failed"
	whatToken    = "Retrieving MAA token from MAA endpoint failed"
	whatReport   = "fetching the attestation report failed"
	whatReleased = "secure key release failed"
)

// KeyReleaseOptions are those of [NewKeyRelease].
type KeyReleaseOptions struct {
	Generation Generation
	// Attester is the guest's device.
	Attester skr.Attester
	// Azure and Client reach the attestation service and the vaults.
	Azure  azcore.ClientOptions
	Client *http.Client
	// Roots are those under which vaults sign.
	Roots *x509.CertPool
}

// KeyRelease emulates the SKR sidecar: GET /status, POST /attest/raw,
// /attest/combined, /attest/maa and /key/release. As the genuine one it asks
// nobody who they are, keeps nothing, lets the vault choose the algorithm, and
// tells what its services answered as a text in a 403. It is an [http.Handler].
type KeyRelease struct{ o KeyReleaseOptions }

// NewKeyRelease makes the sidecar of a guest.
func NewKeyRelease(o KeyReleaseOptions) *KeyRelease { return &KeyRelease{o} }

// ServeHTTP implements http.Handler.
func (s *KeyRelease) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	switch r.Method + " " + r.URL.Path {
	case "GET /status":
		objects(w, http.StatusOK, map[string]string{"message": "Status OK"})
	case "POST /attest/raw":
		s.raw(w, r)
	case "POST /attest/combined":
		if s.o.Generation == November2024 {
			notFound(w)
			return
		}
		s.combined(w, r)
	case "POST /attest/maa":
		s.maa(w, r)
	case "POST /key/release":
		s.keyRelease(w, r)
	default:
		notFound(w)
	}
}

type attestRequest struct {
	MAAEndpoint string `json:"maa_endpoint"`
	RuntimeData string `json:"runtime_data"`
}

// attestRequest reads the body; false if it was refused.
func (s *KeyRelease) attestRequest(w http.ResponseWriter, r *http.Request, maa bool) (in attestRequest, data []byte, ok bool) {
	err := json.NewDecoder(r.Body).Decode(&in)
	if err == nil && (in.RuntimeData == "" || maa && in.MAAEndpoint == "") {
		err = errors.New("a required field is missing")
	}
	if err != nil {
		objects(w, http.StatusBadRequest, s.o.Generation.failure(whatFormat, err.Error()))
		return in, nil, false
	}
	if data, err = standardBase64(in.RuntimeData); err != nil {
		objects(w, http.StatusBadRequest, s.o.Generation.failure(whatBase64, err.Error()))
		return in, nil, false
	}
	return in, data, true
}

func (s *KeyRelease) raw(w http.ResponseWriter, r *http.Request) {
	_, data, ok := s.attestRequest(w, r, false)
	if !ok {
		return
	}
	ev, err := s.o.Attester.Attest(r.Context(), data)
	if err != nil {
		objects(w, http.StatusForbidden, s.o.Generation.failure(whatReport, err.Error()), map[string]string{"report": ""})
		return
	}
	objects(w, http.StatusOK, map[string]string{"report": hex.EncodeToString(ev.Report)})
}

func (s *KeyRelease) combined(w http.ResponseWriter, r *http.Request) {
	_, data, ok := s.attestRequest(w, r, false)
	if !ok {
		return
	}
	ev, err := s.o.Attester.Attest(r.Context(), data)
	if err != nil {
		objects(w, http.StatusInternalServerError, s.o.Generation.failure(whatReport, err.Error()))
		return
	}
	encode := base64.StdEncoding.EncodeToString
	objects(w, http.StatusOK, map[string]string{
		"endorsed_tcb": fmt.Sprintf("%016x", tcb(ev.Report)), "endorsements": encode(ev.Certificates), "evidence": encode(ev.Report),
		"uvm_endorsements": encode(ev.UVMEndorsements) + "\n", // the file ends so
	})
}

// tcb is the reported TCB of a report.
func tcb(report []byte) (n uint64) {
	for i := 7; i >= 0; i-- {
		n = n<<8 | uint64(report[384+i])
	}
	return n
}

func (s *KeyRelease) maa(w http.ResponseWriter, r *http.Request) {
	in, data, ok := s.attestRequest(w, r, true)
	if !ok {
		return
	}
	token, err := s.attest(r.Context(), in.MAAEndpoint, data)
	if err != nil {
		objects(w, http.StatusForbidden, s.o.Generation.failure(whatAttested, whatToken+": "+upstream(err)), map[string]string{"token": ""})
		return
	}
	objects(w, http.StatusOK, map[string]string{"token": token})
}

func (s *KeyRelease) keyRelease(w http.ResponseWriter, r *http.Request) {
	var in struct {
		MAAEndpoint string `json:"maa_endpoint"`
		AKVEndpoint string `json:"akv_endpoint"`
		KID         string `json:"kid"`
		AccessToken string `json:"access_token"`
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil || in.MAAEndpoint == "" || in.AKVEndpoint == "" || in.KID == "" {
		objects(w, http.StatusBadRequest, failure{struct{}{}}) // an error value, serialised
		return
	}
	key, err := s.release(r.Context(), in.MAAEndpoint, in.AKVEndpoint, in.KID, in.AccessToken)
	if err != nil {
		objects(w, http.StatusForbidden, s.o.Generation.failure(whatReleased, "releasing the key "+in.KID+" failed: "+err.Error()))
		return
	}
	objects(w, http.StatusOK, map[string]string{"key": string(key)})
}
