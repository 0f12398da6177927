package governance

import (
	"errors"
	"strings"
)

var errRefused = errors.New("the service refused the evidence")

// explain turns the refusal of evidence into a [*DeniedError]; every other
// error stays as it is. The service does not say which claim failed, and does
// not show the policy to a room: the check shows what the evidence says, to be
// compared by a member.
func (r *RoomClient) explain(err error, e *Evidence) error {
	var se *ServiceError
	if !errors.As(err, &se) {
		return err
	}
	var c Check
	switch se.Code {
	case "VerifySnpAttestationFailed":
		c = evidenceCheck(se, r.contractID, e.claims(), e.hostData())
	case "ReportDataMismatch":
		c = Check{
			ID: "evidence.report-data", Want: "the SHA-256 of the public key that was sent", Got: "another value, says the service",
			Remedy: "the service must be of release 8.0.0; the one before hashes the key in another form",
		}
	default:
		return err
	}
	c.Err = errRefused
	return denied(se.Op, r.wire.host, []Check{c}, se)
}

// evidenceCheck says what the service did not like, and shows the claims of the
// evidence.
func evidenceCheck(se *ServiceError, contractID, claims, hostData string) Check {
	switch {
	case strings.Contains(se.Message, "policy is missing"):
		return Check{
			ID: "policy.accepted", Want: "an accepted clean room policy for contract " + contractID, Got: "none",
			Remedy: "a member proposes a clean room policy with " + ClaimHostData + "=" + hostData + ", and all accept it",
		}
	case strings.Contains(se.Message, "do not match") || strings.Contains(strings.ToLower(se.Message), "claim"):
		return Check{
			ID: "policy.match", Want: "evidence that matches the accepted clean room policy of contract " + contractID, Got: claims,
			Remedy: "a member reads the clean room policy and compares; if this room is the intended one, propose a policy that adds its host data",
		}
	}
	return Check{
		ID: "evidence.verified", Want: "a report that the service can verify", Got: se.Message,
		Remedy: "check that the attester's certificates belong to this machine's report, and that the service trusts this kind of machine",
	}
}
