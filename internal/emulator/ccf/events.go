package ccf

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

type event struct {
	timestamp string
	data      any
}

// eventTable holds the last event by eventKey; its history holds them all.
var eventTable = table[event]("events")

// eventKey joins contract and scope as CGS names its maps, ambiguity included:
// the events of contract a in scope b are those of contract a-b.
func eventKey(contractID, scope, id string) string {
	if scope != "" {
		contractID += "-" + scope
	}
	return contractID + "/" + id
}

// eventName returns scope and id of the query; the id defaults to the
// contract's.
func (c *call) eventName() (scope, id string) {
	scope, _ = c.query("scope")
	if id, _ = c.query("id"); id == "" {
		id = c.params[0]
	}
	return scope, id
}

const maxTimestamp = 9999999999999

func (c *call) putEvent() (any, error) {
	body, err := c.json()
	if err != nil {
		return nil, err
	}
	byToken := c.caller.kind == bearerJWT
	switch {
	case !byToken && !truthy(field(body, "attestation")):
		return nil, errAttestationMissing
	case !truthy(field(body, "sign")):
		return nil, badRequest("SignatureMissing", "Signature payload must be supplied.")
	case !truthy(field(body, "timestamp")):
		return nil, badRequest("TimestampMissing", "Timestamp must be supplied.")
	}
	if n, err := strconv.ParseFloat(display(field(body, "timestamp")), 64); err == nil && n > maxTimestamp {
		return nil, badRequest("TimestampTooLarge", "Timestamp value is too large.")
	}
	if byToken {
		err = c.tokenMatches()
	} else {
		err = c.roomMatches(body)
	}
	if err != nil {
		return nil, err
	}
	content, err := signedData(body)
	if err != nil {
		return nil, err
	}
	data, err := parseJSON(content)
	if err != nil {
		return nil, err
	}
	timestamp, ok := textField(body, "timestamp")
	if !ok {
		return nil, throw("TypeError: body.timestamp.padStart is not a function")
	}
	timestamp = strings.Repeat("0", max(0, 13-len(timestamp))) + timestamp
	scope, id := c.eventName()
	eventTable.put(c.tx, eventKey(c.params[0], scope, id), event{timestamp, data})
	c.status = http.StatusNoContent
	return nil, nil
}

// roomMatches wants evidence that is bound to the signing key.
func (c *call) roomMatches(body any) error {
	if err := checkPlatform(body); err != nil {
		return err
	}
	r, err := c.attested(body, c.params[0], delegatedMismatch, delegate{"events", "writer"})
	if err != nil {
		return err
	}
	_, err = boundKey(r, body, "sign")
	return err
}

// tokenMatches wants a policy of token claims that the caller's token meets.
func (c *call) tokenMatches() error {
	claims := map[string]any{}
	for _, name := range allowedClaims["jwt"] {
		if v := field(c.caller.claims, name); v != undefined {
			claims[name] = v
		}
	}
	policy, ok := policyTable.get(c.tx, c.params[0])
	if !ok || len(policy.keys) == 0 || !matches(policy, claims) {
		return badRequest("VerifyJwtAttestationFailed", "Token claims do not match the contract policy.")
	}
	return nil
}

// describe spells the time field as told: the latest event and the events of a
// range differ in it.
func (e event) describe(scope, id string, seqno uint64, timeField string) (*object, error) {
	ms, err := strconv.ParseInt(e.timestamp, 10, 64)
	if err != nil {
		return nil, throw("RangeError: Invalid time value")
	}
	iso := time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z")
	return obj("scope", scope, "id", id, "seqno", float64(seqno), "timestamp", e.timestamp, timeField, iso, "data", e.data), nil
}

func (c *call) listEvents() (any, error) {
	scope, id := c.eventName()
	key := eventKey(c.params[0], scope, id)
	if c.rangeGiven() {
		return c.eventRange(key, scope, id)
	}
	list := []any{}
	if e, ok := eventTable.get(c.tx, key); ok {
		o, err := e.describe(scope, id, eventTable.seqno(c.tx, key), "timestamp_iso")
		if err != nil {
			return nil, err
		}
		list = append(list, o)
	}
	return obj("value", list), nil
}

func (c *call) eventRange(key, scope, id string) (any, error) {
	p, ready, err := c.historicalPage("events "+key, eventTable.seqno(c.tx, key))
	if err != nil || !ready {
		return nil, err
	}
	list := []any{}
	for _, d := range eventTable.history(c.tx, key, p.from, p.to) {
		o, err := d.value.describe(scope, id, d.seqno, "timestampIso")
		if err != nil {
			return nil, err
		}
		list = append(list, o)
	}
	answer := obj("value", list)
	if from, more := p.next(); more {
		answer.set("nextLink", fmt.Sprintf("/app/contracts/%s/events?from_seqno=%d&to_seqno=%d&id=%s&scope=%s", c.params[0], from, p.end, id, scope))
	}
	return answer, nil
}

// proposalHistory lists the writes of a proposal's record.
func (c *call) proposalHistory() (any, error) {
	id := c.params[0]
	p, ready, err := c.historicalPage("proposal "+id, proposalTable.seqno(c.tx, id))
	if err != nil || !ready {
		return nil, err
	}
	list := []any{}
	for _, d := range proposalTable.history(c.tx, id, p.from, p.to) {
		list = append(list, obj("seqno", float64(d.seqno), "proposalId", id, "proposalState", d.value.state))
	}
	answer := obj("value", list)
	if from, more := p.next(); more {
		answer.set("nextLink", fmt.Sprintf("/app/proposals/%s/historical?from_seqno=%d&to_seqno=%d", id, from, p.end))
	}
	return answer, nil
}
