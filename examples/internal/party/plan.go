package party

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/cleanroom-go/sdk/cleanroom"
	"github.com/cleanroom-go/sdk/dbsecret"
)

// Plan proves before the deployment that the run can succeed, as far as this
// party sees: its own vault and data keys, the documents, the ledger. databases
// are the secrets that the party has stored, by their ids.
func (p *Party) Plan(ctx context.Context, databases map[string]*dbsecret.Document) error {
	ledger, err := p.Governance()
	if err != nil {
		return err
	}
	in, err := cleanroom.ReadPlan(ctx, ledger, p.ContractID)
	if err != nil {
		return err
	}
	for i := range in.Parties {
		file := p.SharedDocument(in.Parties[i].Name)
		if in.Parties[i].MemberID == ledger.Member().ID() {
			file = p.Document()
		}
		if in.Parties[i].Document, err = cleanroom.ReadSpecification(file); err != nil {
			return err
		}
	}
	for i := range in.Secrets {
		in.Secrets[i].Database = databases[in.Secrets[i].ID]
	}
	options, err := p.GenerateOptions()
	if err != nil {
		return err
	}
	in.Generate = &options
	in.LookupNetIP = net.DefaultResolver.LookupNetIP
	if in.Keys, err = p.Keys(); err != nil {
		return err
	}
	if in.DEKs, err = p.DEKs(); err != nil {
		return err
	}
	findings, err := cleanroom.Plan(ctx, in)
	if err != nil {
		return err
	}
	var open []string
	for _, f := range findings {
		switch {
		case f.Severity == cleanroom.SeverityWarning:
			p.Step(p.Name, f.String())
		case !slices.Contains(open, f.ID):
			open = append(open, f.ID)
		}
	}
	p.Step(p.Name, fmt.Sprintf("run planned: nothing found that keeps it from succeeding; not this party's to see: %s", strings.Join(open, ", ")))
	return nil
}
