package cleanroomtest

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
)

// The names of the local environment: those that the genuine services have,
// so that certificates, audiences and challenges are checked as usual.
const (
	// LedgerHost is the CCF network with the governance service.
	LedgerHost = "collab.confidential-ledger.azure.com"
	// AttestationHost is the attestation service.
	AttestationHost = "sharedneu.neu.attest.azure.net"
	// LoginHost issues tokens.
	LoginHost = "login.microsoftonline.com"
	// ManagementHost deploys templates.
	ManagementHost = "management.azure.com"

	guestHost   = "sev-guest.cleanroomtest.internal"
	vaultSuffix = ".vault.azure.net"
	hsmSuffix   = ".managedhsm.azure.net"
	blobSuffix  = ".blob.core.windows.net"
	webSuffix   = ".z6.web.core.windows.net" // the zone is the account's own and never changes
)

// served are the host names of the environment; a leading dot stands for any
// one label before it.
var served = []string{LedgerHost, "." + LedgerHost, AttestationHost, LoginHost, ManagementHost, guestHost, vaultSuffix, hsmSuffix, blobSuffix, webSuffix}

// UnknownHostError is what a dial to a host outside the environment gives:
// nothing that uses the environment's transport can leave the machine.
type UnknownHostError struct{ Host string }

func (e *UnknownHostError) Error() string {
	return fmt.Sprintf("cleanroomtest: %s is not a host of the local environment; it serves %s", e.Host, strings.Join(served, ", "))
}

func servesHost(host string) bool {
	return slices.ContainsFunc(served, func(s string) bool {
		if !strings.HasPrefix(s, ".") {
			return host == s
		}
		label, ok := strings.CutSuffix(host, s)
		return ok && label != "" && !strings.Contains(label, ".")
	})
}

// wildcard is the certificate name that covers host, or "" when the host has a
// certificate of its own.
func wildcard(host string) string {
	for _, s := range served {
		if strings.HasPrefix(s, ".") && strings.HasSuffix(host, s) {
			return "*" + s
		}
	}
	return ""
}

// dialer maps every served host to the one listener of the environment.
type dialer struct{ address string }

// DialContext connects to the environment if it serves the host of address.
func (d dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("cleanroomtest: dial: %w", err)
	}
	if !servesHost(host) || port != "443" {
		return nil, &UnknownHostError{Host: address}
	}
	var direct net.Dialer
	return direct.DialContext(ctx, network, d.address)
}

// route sends a request to the handler of its host.
type route struct {
	ledger, attestation, login, management, guests, vault, hsm, storage http.Handler
	nodes                                                               map[string]http.Handler // of the ledger, by host
}

// ServeHTTP implements http.Handler. The host comes from the request, as it
// does behind the genuine front ends; the TLS name must agree with it, so that
// a connection made for one service is not used for another.
func (r *route) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	host, _, err := net.SplitHostPort(req.Host)
	if err != nil {
		host = req.Host
	}
	if req.TLS == nil || req.TLS.ServerName != host {
		http.Error(w, "the host of the request is not the host of the connection", http.StatusMisdirectedRequest)
		return
	}
	var h http.Handler
	switch {
	case host == LedgerHost:
		h = r.ledger
	case ledgerNode(host):
		h = r.nodes[host]
	case host == AttestationHost:
		h = r.attestation
	case host == LoginHost:
		h = r.login
	case host == ManagementHost:
		h = r.management
	case host == guestHost:
		h = r.guests
	case strings.HasSuffix(host, vaultSuffix):
		h = r.vault
	case strings.HasSuffix(host, hsmSuffix):
		h = r.hsm
	case strings.HasSuffix(host, blobSuffix), strings.HasSuffix(host, webSuffix):
		h = r.storage
	}
	if h == nil {
		http.Error(w, "no service is open under this name", http.StatusServiceUnavailable)
		return
	}
	h.ServeHTTP(w, req)
}
