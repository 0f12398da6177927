package cleanroom

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/cleanroom-go/sdk/dbsecret"
	"github.com/cleanroom-go/sdk/internal/check"
)

// databases judges those secrets of applications that describe one.
func (p *planner) databases(ctx context.Context) {
	uses := p.secretUses()
	for _, s := range p.in.Secrets {
		if !slices.ContainsFunc(uses, func(u secretUse) bool { return u.id == s.ID }) {
			continue // not for this room
		}
		if s.Database == nil {
			p.unproven("DatabaseUnknown", "secret "+shown(s.ID), "whether the room reaches what it describes", "ask its owner to plan as well: only he can read it")
			continue
		}
		p.database(ctx, "secret "+shown(s.ID), s.Database)
	}
}

func (p *planner) database(ctx context.Context, subject string, d *dbsecret.Document) {
	if err := d.Validate(); err != nil {
		p.fail("DatabaseInvalid", subject, check.Printable(err.Error()), "describe the database again, and store the document anew")
		return
	}
	if d.SSLMode != "" && d.SSLMode != "verify-full" {
		p.warn("DatabaseTLSWeak", subject, fmt.Sprintf("the mode %s does not prove which server answers; a program that does not permit it explicitly refuses", d.SSLMode), "use verify-full, with sslRootCert if the authority is not a public one")
	}
	if !slices.ContainsFunc(p.spec.Identities, func(i Identity) bool {
		return plainID(i.ClientID) == plainID(d.Password.ClientID) && plainID(i.TenantID) == plainID(d.Password.TenantID)
	}) {
		p.enforced("PasswordIdentityUnknown", subject, fmt.Sprintf("the password is read as %s, which is no identity of the document", shown(d.Password.ClientID)), "name the identity that the owner has in the document")
	}
	p.reachable(ctx, subject, d)
}

// enforced is an error where the sidecars see to it, and otherwise a warning:
// the document promises something else than what will happen.
func (p *planner) enforced(id, subject, message, remedy string) {
	if p.in.Sidecars {
		p.fail(id, subject, message, remedy)
	} else {
		p.warn(id, subject, message, remedy)
	}
}

func (p *planner) reachable(ctx context.Context, subject string, d *dbsecret.Document) {
	port := d.Port
	if port == 0 {
		port = dbsecret.DefaultPort
	}
	where := d.IP
	if where == "" {
		where = d.Endpoint
	}
	var addresses []netip.Addr
	if a, err := netip.ParseAddr(strings.Trim(where, "[]")); err == nil {
		addresses = []netip.Addr{a.Unmap()}
	} else if n := p.spec.Network; p.in.Sidecars && (n == nil || n.DNS == nil) {
		p.fail("DatabaseNameUnresolvable", subject, fmt.Sprintf("the room cannot look up %s: network.dns is not open", shown(where)), "put the address into dbIP, or open network.dns")
	}
	if addresses == nil && p.in.LookupNetIP != nil {
		found, err := p.in.LookupNetIP(ctx, "ip", where)
		if err != nil {
			p.fail("DatabaseNameUnknown", subject, check.Printable(shorten(err.Error(), 200)), "compare the name with the server's certificate")
			return
		}
		for _, a := range found {
			addresses = append(addresses, a.Unmap())
		}
	}
	var listed []AllowedIP
	if n := p.spec.Network; n != nil && n.TCP != nil && n.TCP.Outbound != nil {
		listed = n.TCP.Outbound.AllowedIPs
	}
	if addresses == nil && slices.ContainsFunc(listed, func(l AllowedIP) bool { return l.Port == port }) {
		p.unproven("DatabaseAddressUnknown", subject, fmt.Sprintf("whether %s has one of the addresses in network.tcp", shown(where)), "give LookupNetIP")
		return
	}
	other := 0
	for _, l := range listed {
		a, err := netip.ParseAddr(l.Address)
		if err != nil || !slices.Contains(addresses, a.Unmap()) {
			continue
		}
		if l.Port == port {
			return
		}
		other = l.Port
	}
	message := fmt.Sprintf("%s port %d is not in network.tcp", shown(where), port)
	if other != 0 {
		message += fmt.Sprintf(", which has its port %d", other)
	}
	p.enforced("DatabaseUnreachable", subject, message, "allow the address and port with AllowTCP, and agree on that document")
}
