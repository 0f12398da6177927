package ccf

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

const (
	statusOpening = "Opening"
	statusOpen    = "Open"
)

// ccfVersion is what the node says it is.
const ccfVersion = "ccf-6.0.0"

type serviceState struct {
	status    string
	threshold int
}

var serviceTable = table[serviceState]("service")

func serviceOf(x *tx) serviceState {
	s, _ := serviceTable.get(x, "")
	return s
}

func isOpen(x *tx) bool { return serviceOf(x).status == statusOpen }

func (c *call) serviceInfo() (any, error) {
	s := serviceOf(c.tx)
	return obj("certificate", c.certPEM,
		"configuration", obj(
			"maximumNodeCertificateValidityDays", 365.0,
			"maximumServiceCertificateValidityDays", 365.0,
			"recentCoseProposalsWindowSize", float64(replayWindow),
			"recoveryThreshold", float64(s.threshold)),
		"creationTransactionId", transactionID(1), "recoveryCount", 0.0,
		"serviceData", nil, "status", s.status), nil
}

func (c *call) listUsers() (any, error) {
	list := []any{}
	for _, id := range certUserTable.keys(c.tx) {
		u, _ := certUserTable.get(c.tx, id)
		list = append(list, u.describe(id))
	}
	return obj("value", list), nil
}

func (u certUser) describe(id string) *object {
	return obj("certificate", u.certificate, "userData", u.data, "userId", id)
}

func (c *call) showUser() (any, error) {
	id, err := c.entityID(0, "user")
	if err != nil {
		return nil, err
	}
	u, ok := certUserTable.get(c.tx, id)
	if !ok {
		return nil, failure(http.StatusNotFound, "ResourceNotFound", "No user with ID "+id+".")
	}
	return u.describe(id), nil
}

func (c *call) listNodes() (any, error) {
	return obj("value", []any{obj("nodeId", c.nodeID, "status", "Trusted")}), nil
}

func (c *call) constitution() (any, error) {
	script, ok := textTable.get(c.tx, "constitution")
	if !ok {
		script = "// The constitution of this emulated network is built in.\n"
	}
	return text{"text/javascript", []byte(script)}, nil
}

func (c *call) jsApp() (any, error) {
	bundle, _ := appTable.get(c.tx, "")
	endpoints, ok := field(field(bundle, "metadata"), "endpoints").(*object)
	if !ok {
		endpoints = obj()
	}
	return obj("endpoints", endpoints), nil
}

// modules returns the modules of the proposed application.
func (c *call) modules() []any {
	bundle, _ := appTable.get(c.tx, "")
	list, _ := field(bundle, "modules").([]any)
	return list
}

func moduleName(m any) string {
	name, _ := textField(m, "name")
	return "/" + strings.TrimPrefix(name, "/")
}

func (c *call) listModules() (any, error) {
	list := []any{}
	for _, m := range c.modules() {
		list = append(list, obj("moduleName", moduleName(m)))
	}
	return obj("value", list), nil
}

func (c *call) showModule() (any, error) {
	name, err := url.PathUnescape(c.params[0])
	if err != nil {
		return nil, badRequest("InvalidResourceName", "The module name is not percent-encoded text.")
	}
	for _, m := range c.modules() {
		if moduleName(m) == "/"+strings.TrimPrefix(name, "/") {
			script, _ := textField(m, "module")
			return text{"text/javascript", []byte(script)}, nil
		}
	}
	return nil, failure(http.StatusNotFound, "ResourceNotFound", "Module "+name+" does not exist.")
}

func (c *call) emptyObject() (any, error) { return obj(), nil }

func (c *call) network() (any, error) {
	return obj("service_status", serviceOf(c.tx).status, "service_certificate", c.certPEM,
		"current_view", float64(view), "primary_id", c.nodeID, "recovery_count", 0.0,
		"service_data", nil, "current_service_create_txid", transactionID(1)), nil
}

func (c *call) nodeVersion() (any, error) {
	return obj("ccf_version", ccfVersion, "quickjs_version", "none: emulated", "unsafe", false), nil
}

func (c *call) ready() (any, error) {
	if !isOpen(c.tx) {
		c.status = http.StatusServiceUnavailable
		return nil, nil
	}
	return c.noContent()
}

func (c *call) noContent() (any, error) {
	c.status = http.StatusNoContent
	return nil, nil
}

// transactionStatus tells what was known when the request came in; asking is
// what lets the answer change.
func (c *call) transactionStatus() (any, error) {
	id, _ := c.query("transaction_id")
	status, err := c.statusOf(id)
	if err != nil {
		return nil, err
	}
	return obj("status", status, "transaction_id", id), nil
}

func (c *call) govTransactionStatus() (any, error) {
	status, err := c.statusOf(c.params[0])
	if err != nil {
		return nil, err
	}
	return obj("status", status, "transactionId", c.params[0]), nil
}

func (c *call) statusOf(id string) (string, error) {
	v, s, _ := strings.Cut(id, ".")
	view64, errView := strconv.ParseUint(v, 10, 64)
	seqno, errSeqno := strconv.ParseUint(s, 10, 64)
	if errView != nil || errSeqno != nil {
		return "", badRequest("InvalidQueryParameterValue", "The value '"+id+"' passed as 'transaction_id' could not be converted to a valid Transaction ID.")
	}
	switch {
	case seqno <= c.committed && view64 == view:
		return "Committed", nil
	case seqno <= c.committed:
		return "Invalid", nil
	case seqno <= c.store.seqno && view64 == view:
		return "Pending", nil
	}
	return "Unknown", nil
}

func (c *call) lastCommitted() (any, error) {
	return obj("transaction_id", transactionID(c.store.committed)), nil
}

func (c *call) govLastCommitted() (any, error) {
	return obj("status", "Committed", "transactionId", transactionID(c.store.committed)), nil
}

func (c *call) listIdentities() (any, error) {
	list := []any{}
	for _, id := range tokenUserTable.keys(c.tx) {
		u, _ := tokenUserTable.get(c.tx, id)
		list = append(list, u.describe(id))
	}
	return obj("value", list), nil
}
