package cleanroom_test

import (
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/cleanroom-go/sdk/cleanroom"
	"github.com/cleanroom-go/sdk/cleanroom/cleanroomtest"
	"github.com/cleanroom-go/sdk/dbsecret"
	"github.com/cleanroom-go/sdk/skr"
)

// TestRoomFeatures does what the table of features says about the program in
// the room, on both ways. Waiting, control and mounts are in TestControl,
// TestProvisionerRoom and TestRoomMounts, the deployment in TestProvision.
func TestRoomFeatures(t *testing.T) {
	for _, way := range []string{"direct", "sidecars"} {
		t.Run(way, func(t *testing.T) {
			a := agree(t)
			ctx := t.Context()
			kek, pub, err := a.keys.ImportKEK(ctx, skr.KeyRef{Name: "kek", VaultURL: a.party.VaultURL, AttestationURL: attestationURL}, a.policy, nil)
			a.must(err)
			password, err := a.keys.WrapSecret(ctx, skr.SecretRef{ClientID: a.party.IdentityID, TenantID: a.party.TenantID, Name: "password", VaultURL: a.party.VaultURL, KEK: kek}, pub, []byte("password"))
			a.must(err)
			if way == "sidecars" {
				password.Digest = [32]byte{} // the sidecar's secrets have none
			}
			document, err := (&dbsecret.Document{Endpoint: "db.example.org", Name: "d", User: "u", Password: password}).Encode()
			a.must(err)
			id, err := a.ledger.Contract(roomContract).PutSecret(ctx, "dbconfig", document)
			a.must(err)

			in := a.launch(a.template.Policy())
			if way == "sidecars" {
				in, _ = a.bySidecars(a.template.Policy(), cleanroomtest.SidecarsOptions{})
			}
			room, err := in.enter(ctx)
			a.must(err)
			// The database is not there; all before the connection is.
			if _, err := room.OpenDB(ctx, id); err == nil || !strings.Contains(err.Error(), "db.example.org") {
				t.Errorf("open database: %v", err)
			}
			out, err := room.Output(ctx, roomSink)
			a.must(err, out.WriteFile(ctx, "output.txt", func(w io.Writer) error {
				_, err := io.WriteString(w, "row\n")
				return err
			}), room.Report(ctx, "halfway"), room.Close())

			did := func(kind cleanroom.StepKind) func(*testing.T) {
				return func(t *testing.T) {
					in.mu.Lock()
					defer in.mu.Unlock()
					if !slices.ContainsFunc(in.steps, func(s cleanroom.RoomStep) bool { return s.Kind == kind }) {
						t.Errorf("no step %s in %v", kind, in.steps)
					}
				}
			}
			asked := func(direct, sidecar string) func(*testing.T) {
				return func(t *testing.T) {
					part := direct
					if way == "sidecars" {
						part = sidecar
					}
					if in.count(part) == 0 {
						t.Errorf("nobody asked for %s", part)
					}
				}
			}
			t.Run("30 read CGS secret", asked("/secrets/", "GOVERNANCE_PORT/secrets/"))
			t.Run("31 unwrap password", did(cleanroom.StepUnwrap))
			t.Run("32 secure key release", asked("/keys/kek", "SKR_PORT/key/release"))
			t.Run("33 identity token", did(cleanroom.StepAzureToken))
			t.Run("35 write output", func(t *testing.T) {
				if got := a.read(roomSink, "output.txt"); got != "row\n" {
					t.Errorf("%q", got)
				}
			})
			t.Run("61 consent check before execution", did(cleanroom.StepConsent))
			t.Run("62 token for Azure access", asked("/oauth", "IDENTITY_PORT"))
			t.Run("71 put audit event", func(t *testing.T) {
				want := []string{`{"message":"starting execution of app","source":"app"}`, `{"message":"halfway","source":"app"}`, `{"message":"ended execution of app","source":"app"}`}
				if got := a.events(); !slices.Equal(got, want) {
					t.Errorf("%q", got)
				}
			})
			t.Run("73 attestation", asked("/attest/SevSnpVm", "SKR_PORT"))
		})
	}
}
