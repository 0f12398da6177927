package governance_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/cleanroom-go/sdk/governance"
)

// met are the refusals of the service that the calls of this package can meet,
// with a status that the service gives them.
var met = map[string]int{
	// Every call.
	"InvalidAuthenticationInfo": 401, "FrontendNotOpen": 404, "ResourceNotFound": 404, "UnsupportedHttpVerb": 405, "InternalError": 500, "ViewNotKnown": 503,
	"RequestBodyTooLarge": 413,
	// The governance interface and the wait for a commit.
	"MissingApiVersionParameter": 400, "UnsupportedApiVersionValue": 400, "InvalidQueryParameterValue": 400, "InvalidResourceName": 400,
	"ProposalFailedToValidate": 400, "InvalidCreatedAt": 400, "ProposalReplay": 400, "ProposalCreatedTooLongAgo": 400, "ProposalNotFound": 404,
	"ProposalNotOpen": 400, "VoteAlreadyExists": 400, "VoteNotFound": 404, "AuthorizationFailed": 403, "StateDigestMismatch": 400, "InvalidInput": 400,
	// Contracts and what hangs below them.
	"ContractNotFound": 404, "ContractAlreadyExists": 409, "ContractAlreadyAccepted": 405, "ContractNotAccepted": 400, "DataMissing": 400, "PreconditionFailed": 412,
	"InvalidParameter": 400, "InvalidOption": 400, "ValueMissing": 400, "ValueTooLarge": 400,
	// Clean rooms.
	"AttestationMissing": 400, "EncryptionMissing": 400, "UnsupportedPlatform": 400, "VerifySnpAttestationFailed": 400, "ReportDataMismatch": 400,
	"SecretNotFound": 404, "SignatureMissing": 400, "SignatureMismatch": 400, "TimestampMissing": 400, "TimestampTooLarge": 400,
	// The certificate authority.
	"CANotEnabled": 405, "NoCASigningKey": 404,
	// Documents of the members.
	"DocumentNotFound": 404, "DocumentAlreadyExists": 409, "DocumentAlreadyAccepted": 405, "ContractIdMissing": 400, "ContractIdMismatch": 400,
	// User documents and their proposals.
	"UserDocumentNotFound": 404, "UserDocumentAlreadyExists": 409, "UserDocumentAlreadyAccepted": 405, "UserDocumentAlreadyProposed": 409, "UserDocumentNotAccepted": 400,
	"InvalidUserDocumentId": 400, "InvalidUserDocumentRuntimeOption": 400, "NotUserDocumentApprover": 403, "ApproversNotFound": 400, "ApproversMissing": 400,
	"EmptyApprovers": 400, "ProposalAlreadyExists": 409, "InvalidProposalType": 400, "NotProposalApprover": 403, "NotProposalOwner": 403,
	"BallotAlreadySubmitted": 409, "InvalidBallotValue": 400,
	// Users and invitations.
	"CallerNotAuthorized": 403, "CallerTenantNotAuthorized": 403, "UserIdentityNotFound": 404, "InvitationNotFound": 404, "InvitationNotOpen": 409,
	"OidClaimMissing": 404, "TokenClaimMissing": 403, "TokenClaimMismatch": 403,
	// The signing service.
	"SigningNotEnabled": 405, "PayloadMissing": 400, "PayloadInvalid": 400,
	// The token issuer.
	"OidcIssuerNotEnabled": 405, "SigningKeyNotAvailable": 405, "IssuerUrlNotSet": 405, "InvalidUrl": 400, "NoTenantId": 400,
}

func TestRemedies(t *testing.T) {
	seen := map[string]string{}
	for code, status := range met {
		client := canned(t, func(r *http.Request, _ int) (*http.Response, error) {
			return respond(r, status, nil, fmt.Sprintf(`{"error":{"code":%q,"message":"Some text."}}`, code)), nil
		})
		governance.Hasten(client)
		_, err := client.Network(t.Context())
		se := wantCode(t, err, code)
		if se.StatusCode != status || se.Message != "Some text." {
			t.Errorf("%s: %+v", code, se)
		}
		wantText(t, err, "governance: read network: "+code+fmt.Sprintf(" (%d): Some text.\n\tremedy ", status))
		if se.Remedy != strings.TrimSpace(se.Remedy) || strings.HasSuffix(se.Remedy, ".") {
			t.Errorf("%s: remedy %q", code, se.Remedy)
		}
		seen[se.Remedy] = code
	}
	if len(met) != 82 || len(seen) < 40 {
		t.Errorf("%d codes with %d remedies", len(met), len(seen))
	}
}

func TestRemedyOfWhatCannotBeApplied(t *testing.T) {
	client := canned(t, func(r *http.Request, _ int) (*http.Response, error) {
		return respond(r, 500, nil, `{"error":{"code":"InternalError","message":"Failed to apply(): x"}}`), nil
	})
	_, err := client.Network(t.Context())
	wantText(t, err, "cannot be carried out as things stand")
}

func TestServiceErrorText(t *testing.T) {
	tests := []struct {
		name, body string
		want       []string
		most       int // bytes of the text
	}{
		{"details", `{"error":{"code":"InvalidAuthenticationInfo","message":"Invalid.","details":[{"auth_policy":"member_cert","code":"InvalidAuthenticationInfo","message":"No certificate"}]}}`,
			[]string{"\n\tmember_cert InvalidAuthenticationInfo: No certificate\n\tremedy "}, 400},
		{"exception", `{"error":{"code":"InternalError","message":"m","details":[{"code":"JSException","message":"thrown","trace":"at x"}]}}`, []string{"JSException: thrown"}, 400},
		{"long message", `{"error":{"code":"X","message":"` + strings.Repeat("ü", 100_000) + `"}}`, []string{"X (400): üü", "ü..."}, 2200},
		{"many details", `{"error":{"code":"X","details":[` + strings.Repeat(`{"code":"d"},`, 1000) + `{"code":"d"}]}}`, nil, 200},
		{"unknown code", `{"error":{"code":"NewCode","message":"m"}}`, []string{"NewCode (400): m"}, 100},
		{"no JSON", "<html>", []string{"status 400"}, 100},
		{"another shape", `{"error":"text"}`, []string{"status 400"}, 100},
		{"empty", "", []string{"status 400"}, 100},
	}
	for _, test := range tests {
		client := canned(t, func(r *http.Request, _ int) (*http.Response, error) { return respond(r, 400, nil, test.body), nil })
		_, err := client.Network(t.Context())
		var se *governance.ServiceError
		if !errors.As(err, &se) {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		wantText(t, err, append(test.want, "governance: read network: ")...)
		if n := len(err.Error()); n > test.most {
			t.Errorf("%s: the text has %d bytes", test.name, n)
		}
	}
}
