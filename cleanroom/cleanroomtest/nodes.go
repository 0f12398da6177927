package cleanroomtest

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
)

// AddNode opens another node of the ledger: one more address, with a
// certificate of its own name that the service certificate signed, in front of
// the same state. The name is one label. The wrapper may be nil; with it the
// node misbehaves, for instance refuses, answers with a redirect to another
// node, or dies (panic with [http.ErrAbortHandler]). It returns the address.
func (e *Env) AddNode(name string, wrap func(http.Handler) http.Handler) (string, error) {
	host := name + "." + LedgerHost
	if name == "" || strings.Contains(name, ".") {
		return "", fmt.Errorf("cleanroomtest: ledger node: the name %q is not one label", name)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ledger == nil {
		return "", errors.New("cleanroomtest: ledger node: the ledger has not been started")
	}
	if e.services.nodes[host] != nil {
		return "", fmt.Errorf("cleanroomtest: ledger node: there is a node %q already", name)
	}
	cert, err := e.ledger.TLSCertificate(host)
	if err != nil {
		return "", fmt.Errorf("cleanroomtest: ledger node: %w", err)
	}
	e.certs[host] = cert
	var node http.Handler = e.ledger
	if wrap != nil {
		node = wrap(node)
	}
	// Requests that are on their way use the map that was there before.
	nodes := maps.Clone(e.services.nodes)
	if nodes == nil {
		nodes = map[string]http.Handler{}
	}
	nodes[host] = node
	e.services.nodes = nodes
	return "https://" + host, nil
}

// ledgerNode reports whether the host is a name below the ledger's.
func ledgerNode(host string) bool { return strings.HasSuffix(host, "."+LedgerHost) }
