package cleanroom

import (
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strings"

	"github.com/cleanroom-go/sdk/governance"
)

// federations: the tenant of each identity trusts the room's tokens.
func (p *planner) federations() {
	for i := range p.spec.Identities {
		id := &p.spec.Identities[i]
		if id.TokenIssuer.Type != FederatedIdentityBasedTokenIssuer {
			continue
		}
		subject := "identity " + shown(id.Name)
		issuer := p.issuer(subject, id)
		if p.in.Federations == nil {
			p.unproven("FederationUnknown", subject, "whether its tenant trusts the room's tokens", "list its federated credentials")
			continue
		}
		p.federation(subject, id, issuer)
	}
}

// issuer is the one that tokens for the identity will name; "" if unknown.
// Tokens carry what is registered for the tenant, whatever the document says.
func (p *planner) issuer(subject string, id *Identity) string {
	documented := id.TokenIssuer.Issuer.URL
	if u, err := url.Parse(documented); err == nil && strings.EqualFold(u.Host, "azuread") {
		documented = "" // a constant of an earlier generation
	}
	for _, party := range p.in.Parties {
		if party.IssuerURL == "" || plainID(party.TenantID) != plainID(id.TenantID) {
			continue
		}
		if documented != "" && documented != party.IssuerURL {
			p.warn("IssuerMismatch", subject, fmt.Sprintf("the document has the issuer %s, tokens will name %s", shown(documented), shown(party.IssuerURL)), "register the documented issuer, or write the registered one into the document")
		}
		return party.IssuerURL
	}
	return documented
}

func (p *planner) federation(subject string, id *Identity, issuer string) {
	contract := p.contractID()
	best, failed := []Check(nil), 4
	for _, f := range p.in.Federations {
		if plainID(f.ClientID) != plainID(id.ClientID) {
			continue
		}
		checks := []Check{
			verdict("FederationSubject", contract, f.Subject, f.Subject == contract || contract == ""),
			verdict("FederationIssuer", issuer, f.Issuer, f.Issuer == issuer || issuer == ""),
			verdict("FederationAudience", governance.TokenAudience, strings.Join(f.Audiences, ", "), slices.Contains(f.Audiences, governance.TokenAudience)),
		}
		n := 0
		for _, c := range checks {
			if !c.OK() {
				n++
			}
		}
		if n < failed {
			best, failed = checks, n
		}
	}
	if best == nil {
		p.fail("FederationMissing", subject, fmt.Sprintf("the identity %s trusts no tokens", shown(id.ClientID)), "add a federated credential with the contract as its subject; it takes about half a minute to act")
		return
	}
	for _, c := range best {
		if !c.OK() {
			p.fail(c.ID, subject, fmt.Sprintf("its federated credential has %s, the token will have %s", shown(c.Got), shown(c.Want)), "write the credential anew; issuers are compared to the last slash, subjects to the case")
		}
	}
}

// azureClouds are the domains of Azure's clouds. A room is in one of them, and
// no identity reaches over.
var azureClouds = []struct {
	name    string
	domains []string
}{
	{"Azure public", []string{".vault.azure.net", ".managedhsm.azure.net", ".core.windows.net", ".storage.azure.net", ".attest.azure.net"}},
	{"Azure US Government", []string{".vault.usgovcloudapi.net", ".managedhsm.usgovcloudapi.net", ".core.usgovcloudapi.net", ".attest.azure.us"}},
	{"Azure China", []string{".vault.azure.cn", ".managedhsm.azure.cn", ".core.chinacloudapi.cn", ".attest.azure.cn"}},
}

// cloudOf names the cloud of a service's URL; "" for what is in none, and for
// static websites, which anybody may publish an issuer on.
func cloudOf(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" {
		return ""
	}
	host := strings.ToLower(u.Hostname())
	if strings.Contains(host, ".web.") {
		return ""
	}
	for _, c := range azureClouds {
		for _, d := range c.domains {
			if strings.HasSuffix(host, d) {
				return c.name
			}
		}
	}
	return ""
}

// clouds compares all that the room will speak to.
func (p *planner) clouds() {
	var first, firstAt string
	told := map[string]bool{}
	visit := func(at, text string) {
		cloud := cloudOf(text)
		switch {
		case cloud == "" || told[cloud]:
		case first == "":
			first, firstAt, told[cloud] = cloud, at, true
		default:
			told[cloud] = true
			p.fail("CloudsDiffer", at, fmt.Sprintf("%s is in %s, %s in %s", shown(text), cloud, firstAt, first), "have every party use services of the cloud in which the room runs")
		}
	}
	eachText(reflect.ValueOf(p.spec), "", visit)
	p.accessPoints(func(path string, a *AccessPoint) {
		if ref, err := a.DEK(); err == nil {
			visit(path+", attestation service", ref.KEK.AttestationURL)
		}
	})
	for _, s := range p.in.Secrets {
		if s.Database != nil {
			for _, u := range []string{s.Database.Password.VaultURL, s.Database.Password.KEK.VaultURL, s.Database.Password.KEK.AttestationURL} {
				visit("secret "+shown(s.ID), u)
			}
		}
	}
}
