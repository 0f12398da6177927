package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"

	"github.com/cleanroom-go/sdk/cleanroom"
	"github.com/cleanroom-go/sdk/cleanroom/cleanroomtest"
	"github.com/cleanroom-go/sdk/examples/internal/query"
	"github.com/cleanroom-go/sdk/examples/internal/steps"
	"github.com/cleanroom-go/sdk/record"
)

// act is one call of a party's program.
type act struct {
	party string
	args  []string
}

// collaborate plays the scenario in its order. What it does itself is what
// neither party does: operate the ledger, have a tenant trust its issuer, and
// launch the room.
func (s *scenario) collaborate(ctx context.Context) (map[string]string, error) {
	if err := s.prepare(ctx); err != nil {
		return nil, err
	}
	if err := s.room(ctx); err != nil {
		return nil, err
	}
	values, err := s.act(ctx, act{steps.Consumer, []string{"-out", s.staged(steps.Consumer), "download"}}, s.report.Write)
	if err != nil {
		return nil, err
	}
	_, err = s.act(ctx, act{steps.Publisher, []string{"-out", s.staged(steps.Publisher), "logs"}}, s.report.Write)
	return values, err
}

// prepare leads from two parties that know nothing of each other to a room that
// only has to be launched.
func (s *scenario) prepare(ctx context.Context) error {
	image, err := s.pinImage()
	if err != nil {
		return err
	}
	if err := s.consortium(ctx); err != nil {
		return err
	}
	for _, a := range s.agreement(image) {
		if _, err := s.act(ctx, a, s.report.Write); err != nil {
			return err
		}
	}
	for _, name := range []string{steps.Publisher, steps.Consumer} {
		if err := s.env.Federate(name, contractID); err != nil {
			return err
		}
	}
	images := []string{"-image-policy", s.path("shared", "image-policy.json")}
	if err := s.together(ctx, act{steps.Publisher, slices.Concat(images, s.dbFlags(), []string{"provide", "plan"})}, act{steps.Consumer, []string{"provide", "template"}}); err != nil {
		return err
	}
	if _, err := s.act(ctx, act{steps.Consumer, append(images, "plan")}, s.report.Write); err != nil {
		return err
	}
	if s.config.deny == "consent" {
		_, err = s.act(ctx, act{steps.Publisher, []string{"withdraw"}}, s.report.Write)
	}
	return err
}

// consortium makes both members active on a new ledger. The consumer's
// certificate is what the operator starts it with.
func (s *scenario) consortium(ctx context.Context) error {
	for _, name := range []string{steps.Publisher, steps.Consumer} {
		if err := s.spawnParty(ctx, name); err != nil {
			return err
		}
	}
	if err := s.together(ctx, act{steps.Consumer, []string{"keys"}}, act{steps.Publisher, []string{"keys"}}); err != nil {
		return err
	}
	cert, err := os.ReadFile(s.path("shared", "consumer_cert.pem"))
	if err != nil {
		return err
	}
	if err := s.env.StartLedger(cleanroomtest.GenesisMember{CertificatePEM: cert, Identifier: steps.Consumer}); err != nil {
		return err
	}
	if err := os.WriteFile(s.path("shared", "ledger_cert.pem"), s.env.ServiceCertificate(), 0o644); err != nil {
		return err
	}
	s.step(steps.Governance, "a new CCF network runs and knows the consumer as its first member", 2)
	publisher, err := s.env.Party(steps.Publisher)
	if err != nil {
		return err
	}
	_, err = s.act(ctx, act{steps.Consumer, []string{"-partner-tenant", publisher.TenantID, "found"}}, s.report.Write)
	return err
}

// agreement leads both parties from their documents to an accepted deployment.
func (s *scenario) agreement(image string) []act {
	images := []string{"-image-policy", s.path("shared", "image-policy.json")}
	describe := []string{"-image", image, "-format", s.config.format, "describe", "propose"}
	if s.db.SSLMode != "verify-full" {
		describe = append([]string{"-insecure-db-tls"}, describe...)
	}
	approve := append(images[:2:2], "approve")
	if s.config.deny == "vote" {
		approve = append([]string{"-withhold-policy-vote"}, approve...)
	}
	deployment := append(images[:2:2], "deployment", "approve")
	if s.config.deny == "template" {
		deployment = append(images[:2:2], "-tamper-template", "deployment") // its proposer would not look
	}
	return []act{
		{steps.Publisher, append(s.dbFlags(), "join", "describe")},
		{steps.Consumer, describe},
		{steps.Publisher, []string{"-image", image, "accept"}},
		{steps.Consumer, deployment},
		{steps.Publisher, approve},
	}
}

// together lets both parties act at the same time. Their steps are printed in
// the order of acts, one party after the other.
func (s *scenario) together(ctx context.Context, acts ...act) error {
	var both sync.WaitGroup
	done := make([][]steps.Step, len(acts))
	errs := make([]error, len(acts))
	for i, a := range acts {
		both.Go(func() {
			_, errs[i] = s.act(ctx, a, func(step steps.Step) { done[i] = append(done[i], step) })
		})
	}
	both.Wait()
	for i := range acts {
		for _, step := range done[i] {
			s.report.Write(step)
		}
		if errs[i] != nil {
			return errs[i]
		}
	}
	return nil
}

// act has a party run steps of its program.
func (s *scenario) act(ctx context.Context, a act, write func(steps.Step)) (map[string]string, error) {
	p, err := s.env.Party(a.party)
	if err != nil {
		return nil, err
	}
	args := append([]string{
		"-json", "-dir", s.path(a.party), "-share", s.path("shared"), "-contract", contractID,
		"-ledger", s.env.LedgerURL(), "-ledger-cert", s.path("shared", "ledger_cert.pem"),
		"-tenant", p.TenantID, "-identity", p.IdentityID, "-vault", p.VaultURL, "-storage", p.StorageURL,
		"-web-storage", p.WebStorageURL, "-issuer", p.IssuerURL, "-attestation", "https://" + cleanroomtest.AttestationHost,
	}, a.args...)
	return s.children[a.party].run(ctx, args, write)
}

func (s *scenario) spawnParty(ctx context.Context, name string) error {
	join := s.path(name + ".join.json")
	if err := s.env.WriteJoinFile(join, name); err != nil {
		return err
	}
	env := partyEnvironment()
	if name == steps.Publisher {
		env = append(env, "PGPASSWORD="+string(s.db.Password))
	}
	c, err := s.spawn(ctx, name, join, s.path(name), env)
	if err != nil {
		return err
	}
	s.children[name] = c
	return nil
}

// partyEnvironment is what a party's own machine would have set.
func partyEnvironment() []string {
	var env []string
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "TEMP", "TMP", "USERPROFILE", "LOCALAPPDATA", "SYSTEMROOT"} {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return env
}

// room launches the accepted template on the machine and runs the program in
// it. A tampered room has another policy than the one that was agreed on.
func (s *scenario) room(ctx context.Context) error {
	b, err := os.ReadFile(s.path("shared", "template.json"))
	if err != nil {
		return err
	}
	template, err := cleanroom.ParseTemplate(b)
	if err != nil {
		return err
	}
	policy := template.Policy()
	if s.config.deny == "host-data" {
		policy = append(policy, "\n# the host gives itself a way in\nexec_external := {\"allowed\": true}\n"...)
	}
	guest := s.env.Launch(policy)
	join := s.path("room.join.json")
	if err := guest.WriteJoinFile(join); err != nil {
		return err
	}
	hostData := guest.HostData()
	s.record.Add(record.Entry{Measurement: &record.Measurement{Name: "host data of the launched room", Value: fmt.Sprintf("%x", hostData), Size: int64(len(policy))}})
	s.step(steps.Room, fmt.Sprintf("container group launched on the SEV-SNP machine, host data %x...", hostData[:4]), 63)
	env := []string{} // not nil, which would be this process's own
	for _, v := range template.Environment(query.Application) {
		env = append(env, v.Name+"="+v.Value)
	}
	command := template.Command(query.Application)
	if err := template.CheckProcess(query.Application, command, env); err != nil {
		return err // the platform would not start it
	}
	c, err := s.spawn(ctx, steps.Room, join, s.path(steps.Room), env)
	if err != nil {
		return err
	}
	s.children[steps.Room] = c
	_, err = c.run(ctx, command[1:], s.report.Write)
	return err
}

// dbFlags describe the database to the publisher, all but the password.
func (s *scenario) dbFlags() []string {
	flags := []string{
		"-db-host", s.db.Host, "-db-port", fmt.Sprint(s.db.Port), "-db-name", s.db.Name, "-db-user", s.db.User, "-db-sslmode", s.db.SSLMode,
	}
	if len(s.db.RootPEM) > 0 {
		flags = append(flags, "-db-ca", s.path("db_ca.pem"))
	}
	return flags
}

// pinImage pins what will run: this program, by its digest. A real image has a
// digest in its registry and layers whose dm-verity root hashes the policy
// lists; here the program's digest stands for its only layer.
func (s *scenario) pinImage() (image string, err error) {
	f, err := os.Open(s.self)
	if err != nil {
		return "", err
	}
	h := sha256.New()
	_, err = io.Copy(h, f)
	if err = errors.Join(err, f.Close()); err != nil {
		return "", err
	}
	digest := fmt.Sprintf("%x", h.Sum(nil))
	image = "registry.example.org/cleanroom-query@sha256:" + digest
	b, err := json.Marshal(map[string]cleanroom.ImagePolicy{image: {Layers: []string{digest}}})
	if err != nil {
		return "", err
	}
	return image, os.WriteFile(s.path("shared", "image-policy.json"), b, 0o644)
}
