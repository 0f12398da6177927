package governance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/cleanroom-go/sdk/internal/cose"
)

// States of a member.
const (
	// MemberAccepted is a member that others let in and that has not activated
	// itself yet. It cannot sign anything.
	MemberAccepted = "Accepted"
	// MemberActive is a member that proposes and votes.
	MemberActive = "Active"
)

// MemberInfo is one member of the consortium.
type MemberInfo struct {
	ID     string
	Status string
	Data   MemberData
	// CertificatePEM is the member's certificate; its digest is ID.
	CertificatePEM []byte
	// RecoveryRole is empty where the service does not tell it.
	RecoveryRole string
}

// Name is the identifier of the member's data, or the beginning of the id.
func (m MemberInfo) Name() string {
	if m.Data.Identifier != "" {
		return m.Data.Identifier
	}
	return short(m.ID)
}

type memberDoc struct {
	MemberID     string          `json:"memberId"`
	Status       string          `json:"status"`
	MemberData   json.RawMessage `json:"memberData"`
	Certificate  string          `json:"certificate"`
	RecoveryRole string          `json:"recoveryRole"`
}

func (d memberDoc) info() (MemberInfo, error) {
	m := MemberInfo{ID: d.MemberID, Status: d.Status, CertificatePEM: []byte(d.Certificate), RecoveryRole: d.RecoveryRole}
	if len(d.MemberData) > 0 && string(d.MemberData) != "null" {
		if err := json.Unmarshal(d.MemberData, &m.Data); err != nil {
			return m, err
		}
	}
	switch id := idOfPEM(m.CertificatePEM); id {
	case d.MemberID:
		return m, nil
	case "":
		return m, fmt.Errorf("certificate of member %s: no PEM block of type CERTIFICATE", short(d.MemberID))
	default:
		return m, fmt.Errorf("the certificate of member %s has the id %s", short(d.MemberID), short(id))
	}
}

// Members lists the consortium. Look at the roles: operators count for nothing
// in a vote and can do more than others, and whoever can sign as a member can
// read what members read.
func (c *Client) Members(ctx context.Context) (_ []MemberInfo, err error) {
	ctx, end := c.wire.tracer.Start(ctx, "Members")
	defer end(&err)
	const op = "list members"
	var doc struct {
		Value []memberDoc `json:"value"`
	}
	if err := c.gov(ctx, op, "/gov/service/members", &doc); err != nil {
		return nil, err
	}
	list := make([]MemberInfo, 0, len(doc.Value))
	for _, d := range doc.Value {
		m, err := d.info()
		if err != nil {
			return nil, fmt.Errorf("governance: %s: %w", op, err)
		}
		list = append(list, m)
	}
	return list, nil
}

// maxActivations bounds the attempts to get a state digest, and to sign one.
const maxActivations = 8

// Activate makes the client's own member active: it takes the service's current
// state digest and signs it. Doing it again does no harm.
func (c *Client) Activate(ctx context.Context) (err error) {
	ctx, end := c.wire.tracer.Start(ctx, "Activate")
	defer end(&err)
	const op = "activate member"
	path := "/gov/members/state-digests/" + c.member.id
	for attempt := 1; ; attempt++ {
		digest, err := c.stateDigest(ctx, op, path)
		if err != nil {
			return err
		}
		ack, err := c.signed(op, path+":ack", cose.Header{Type: cose.TypeAck}, digest)
		if err != nil {
			return err
		}
		_, _, err = c.wire.write(ctx, ack)
		// Another process of the member may have taken a digest in between.
		if attempt == maxActivations || !hasCode(err, "StateDigestMismatch") {
			return err
		}
	}
}

type stateDigest struct {
	MemberID    string `json:"memberId"`
	StateDigest string `json:"stateDigest"`
}

// stateDigest waits for a new service, which has no digest to give before its
// first signature and answers as if it had crashed.
func (c *Client) stateDigest(ctx context.Context, op, path string) (*stateDigest, error) {
	b := newBackoff(c.wire.poll)
	for attempt := 1; ; attempt++ {
		update, err := c.signed(op, path+":update", cose.Header{Type: cose.TypeStateDigest}, nil)
		if err != nil {
			return nil, err
		}
		a, _, err := c.wire.write(ctx, update)
		if err == nil {
			var d stateDigest
			if err := a.json(op, &d); err != nil {
				return nil, err
			}
			if d.MemberID != c.member.id || !isDigest(d.StateDigest) {
				return nil, fmt.Errorf("governance: %s: the digest is not one of this member", op)
			}
			return &d, nil
		}
		if !hasCode(err, "InternalError") || attempt == maxActivations || c.wire.pause(ctx, b.step()) != nil {
			return nil, err
		}
	}
}

// ServiceInfo is what the service says of itself.
type ServiceInfo struct {
	// Status is Opening, Open, WaitingForRecoveryShares or Recovering.
	Status string
	// CertificatePEM is the service certificate, which the connection was
	// already verified with.
	CertificatePEM []byte
	// RecoveryCount counts disaster recoveries; a change means that the
	// operator rebuilt the service from its ledger.
	RecoveryCount int
	// CreationTransactionID is that of the service's first transaction.
	CreationTransactionID string
	// RecoveryThreshold is the number of recovery members that a recovery needs.
	RecoveryThreshold int
}

// ServiceInfo reads the state of the service.
func (c *Client) ServiceInfo(ctx context.Context) (_ *ServiceInfo, err error) {
	ctx, end := c.wire.tracer.Start(ctx, "ServiceInfo")
	defer end(&err)
	var doc struct {
		Status                string `json:"status"`
		Certificate           string `json:"certificate"`
		RecoveryCount         int    `json:"recoveryCount"`
		CreationTransactionID string `json:"creationTransactionId"`
		Configuration         struct {
			RecoveryThreshold int `json:"recoveryThreshold"`
		} `json:"configuration"`
	}
	if err := c.gov(ctx, "read service info", "/gov/service/info", &doc); err != nil {
		return nil, err
	}
	return &ServiceInfo{doc.Status, []byte(doc.Certificate), doc.RecoveryCount, doc.CreationTransactionID, doc.Configuration.RecoveryThreshold}, nil
}

// Network is what a node says of the network it is part of.
type Network struct {
	// Status is that of [ServiceInfo].
	Status string
	// CertificatePEM is the service certificate.
	CertificatePEM []byte
	CurrentView    int64
	// PrimaryID is the id of the node that leads.
	PrimaryID     string
	RecoveryCount int
}

// Network reads the state of the network.
func (c *Client) Network(ctx context.Context) (_ *Network, err error) {
	ctx, end := c.wire.tracer.Start(ctx, "Network")
	defer end(&err)
	var doc struct {
		ServiceStatus      string `json:"service_status"`
		ServiceCertificate string `json:"service_certificate"`
		CurrentView        int64  `json:"current_view"`
		PrimaryID          string `json:"primary_id"`
		RecoveryCount      int    `json:"recovery_count"`
	}
	if err := c.wire.get(ctx, "read network", "/node/network", &doc); err != nil {
		return nil, err
	}
	return &Network{doc.ServiceStatus, []byte(doc.ServiceCertificate), doc.CurrentView, doc.PrimaryID, doc.RecoveryCount}, nil
}

// WaitReady returns once the service's application answers, which it does soon
// after a proposal of [OpenService] was accepted, or when the context ends.
func (c *Client) WaitReady(ctx context.Context) error {
	const op = "wait for the application"
	b := newBackoff(c.wire.poll)
	for {
		_, err := c.wire.do(ctx, call{op: op, method: http.MethodGet, path: "/node/ready/app", once: true})
		if err == nil {
			return nil
		}
		if !notReady(err) {
			return err
		}
		if perr := c.wire.pause(ctx, b.step()); perr != nil {
			return fmt.Errorf("%w\n\tcause  %w", err, perr)
		}
	}
}

func notReady(err error) bool {
	var se *ServiceError
	return errors.As(err, &se) && (se.StatusCode == http.StatusServiceUnavailable || se.Code == "FrontendNotOpen")
}
