package maa

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"io"

	"github.com/cleanroom-go/sdk/internal/emulator/wire"
)

// request is an attestation request without its layers of encoding.
type request struct {
	report, certificates []byte
	endorsements         [][]byte
	runtime              []byte // nil if there is none
	runtimeJSON          bool
	nonce                string
}

// readRequest takes off the four nested layers of base64 and JSON.
func readRequest(body io.Reader) (*request, error) {
	var outer struct {
		Report       string
		RuntimeData  timeData
		InitTimeData timeData
		Nonce        json.RawMessage
		Draft        string `json:"draftPolicyForAttestation"`
	}
	if err := wire.ReadJSON(body, &outer); err != nil {
		return nil, invalid("body: %v", err)
	}
	if outer.Draft != "" {
		return nil, invalid("draftPolicyForAttestation: this instance attests under its own policy only")
	}
	if outer.InitTimeData.Data != "" {
		return nil, invalid("initTimeData: the policy of a container guest is not JSON; leave it out")
	}
	q := &request{}
	if err := q.readReport(outer.Report); err != nil {
		return nil, err
	}
	if err := q.readRuntime(outer.RuntimeData); err != nil {
		return nil, err
	}
	return q, q.readNonce(outer.Nonce)
}

type timeData struct{ Data, DataType string }

func (q *request) readReport(encoded string) error {
	inner, err := wire.Decode64(encoded)
	if err != nil {
		return invalid("report: %v", err)
	}
	// A map, because these three names count with their capitals.
	var members map[string]string
	if err := wire.Unmarshal(inner, &members); err != nil {
		return invalid("report: %v", err)
	}
	if q.report, err = wire.Decode64(members["SnpReport"]); err != nil || len(q.report) != reportSize {
		return invalid("report: SnpReport is not base64url of %d bytes", reportSize)
	}
	if q.certificates, err = wire.Decode64(members["VcekCertChain"]); err != nil || len(q.certificates) == 0 {
		return invalid("report: VcekCertChain is missing or not base64url")
	}
	if members["Endorsements"] == "" {
		return nil
	}
	return q.readEndorsements(members["Endorsements"])
}

func (q *request) readEndorsements(encoded string) error {
	inner, err := wire.Decode64(encoded)
	if err != nil {
		return invalid("report: Endorsements: %v", err)
	}
	var members map[string][]string
	if err := wire.Unmarshal(inner, &members); err != nil {
		return invalid("report: Endorsements: %v", err)
	}
	for _, encoded := range members["Uvm"] {
		uvm, err := wire.Decode64(encoded)
		if err != nil {
			return invalid("report: Endorsements: Uvm: %v", err)
		}
		q.endorsements = append(q.endorsements, uvm)
	}
	return nil
}

func (q *request) readRuntime(d timeData) error {
	if d.Data == "" {
		return nil
	}
	var err error
	if q.runtime, err = wire.Decode64(d.Data); err != nil {
		return invalid("runtimeData: %v", err)
	}
	switch d.DataType {
	case "JSON":
		var object map[string]any
		if err := wire.Unmarshal(q.runtime, &object); err != nil || object == nil {
			return invalid("runtimeData: the data is not a JSON object as dataType says")
		}
		q.runtimeJSON = true
	case "Binary":
	default:
		return invalid("runtimeData: dataType %q is neither JSON nor Binary", d.DataType)
	}
	return nil
}

// readNonce takes a string, or a number as its literal: clients send up to 64
// bits unsigned, which no float holds.
func (q *request) readNonce(raw json.RawMessage) error {
	if len(raw) == 0 || string(raw) == "null" {
		return nil
	}
	if json.Unmarshal(raw, &q.nonce) == nil {
		return nil
	}
	var number json.Number
	if err := json.Unmarshal(raw, &number); err != nil {
		return invalid("nonce is neither a string nor a number")
	}
	q.nonce = number.String()
	return nil
}

// checkBinding requires that the report vouches for the runtime data.
func (q *request) checkBinding() error {
	if q.runtime == nil {
		return nil
	}
	digest := sha256.Sum256(q.runtime)
	if !bytes.Equal(digest[:], q.report[offReportData:offReportData+len(digest)]) {
		return invalid("the report's REPORT_DATA does not start with the SHA-256 of the runtime data")
	}
	return nil
}
