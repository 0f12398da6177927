package record

import "time"

// Entry is one line of a record: an exchange or one fact. Exactly one of the
// pointers is set, but for the last line of a record that left something out.
type Entry struct {
	// Time is when the exchange began or the fact was added. Zero means now.
	Time time.Time `json:"time"`
	// Party is who did it; [Recorder.Add] sets it to the recorder's.
	Party string `json:"party"`

	Exchange    *Exchange    `json:"exchange,omitempty"`
	Step        *Step        `json:"step,omitempty"`
	Call        *Call        `json:"call,omitempty"`
	Proposal    *Proposal    `json:"proposal,omitempty"`
	Vote        *Vote        `json:"vote,omitempty"`
	Measurement *Measurement `json:"measurement,omitempty"`
	Verdict     *Verdict     `json:"verdict,omitempty"`
	Amount      *Amount      `json:"amount,omitempty"`
	// Omitted counts entries that the recorder left out.
	Omitted int `json:"omitted,omitempty"`
}

// Exchange is an HTTP request and its answer.
type Exchange struct {
	Method string `json:"method"`
	Host   string `json:"host"`
	// Path has the names of the query's parameters and few of its values.
	Path string `json:"path"`
	// Request and Response are shapes of the bodies: {"value":string(344)};
	// empty for none. Sent and Received are their sizes in bytes as the sender
	// declares them, negative where it does not.
	Request  string `json:"request,omitempty"`
	Response string `json:"response,omitempty"`
	Sent     int64  `json:"sent"`
	Received int64  `json:"received"`
	// Status is 0 when no answer came; Failure then says of which kind that
	// was: "canceled", "timeout", "name", "connection", "certificate" or
	// "failed".
	Status  int    `json:"status,omitempty"`
	Failure string `json:"failure,omitempty"`
	// Duration is the time to the head of the answer, in nanoseconds.
	Duration time.Duration `json:"duration"`
	// NewConnection is true when a connection was opened for the exchange.
	NewConnection bool `json:"newConnection,omitempty"`
}

// Step is what a party says that it has done since its step before: the
// exchanges in between belong to it.
type Step struct {
	Text string `json:"text"`
}

// Call is something that a party did with another machine by a protocol other
// than HTTP, such as a query of a database.
type Call struct {
	To   string `json:"to"`
	Text string `json:"text"`
}

// Proposal is something that the members of a consortium vote for.
type Proposal struct {
	ID string `json:"id"`
	// What is proposed, in a few words: "deployment template".
	What  string `json:"what"`
	State string `json:"state,omitempty"`
}

// Vote is a party's vote for a proposal, or against it. State is that of the
// proposal afterwards, empty if it is not known.
type Vote struct {
	ID      string `json:"id"`
	What    string `json:"what,omitempty"`
	Against bool   `json:"against,omitempty"`
	State   string `json:"state,omitempty"`
}

// Measurement is the digest of a policy, or the host data, as this party meant
// or met it. Equal digests are shown to be equal.
type Measurement struct {
	// Name says where the value was met: "host data of the launched room".
	Name string `json:"name"`
	// Value is the digest in hexadecimal.
	Value string `json:"value"`
	// Size is that of what was digested, in bytes; 0 if it is not known.
	Size int64 `json:"size,omitempty"`
}

// Verdict is the result of a verification, or a refusal.
type Verdict struct {
	// Op is what was verified or refused.
	Op string `json:"op"`
	// By is who refused; empty for a verification by the party itself.
	By string `json:"by,omitempty"`
	// Denied is true for a refusal.
	Denied bool    `json:"denied,omitempty"`
	Checks []Check `json:"checks,omitempty"`
	// Omitted counts checks that were left out for their length.
	Omitted int `json:"omitted,omitempty"`
}

// Check is one comparison. Want and Got are public values, never secrets.
type Check struct {
	ID     string `json:"id"`
	Passed bool   `json:"passed,omitempty"`
	Want   string `json:"want,omitempty"`
	Got    string `json:"got,omitempty"`
	// Remedy says what to do about a check that did not pass.
	Remedy string `json:"remedy,omitempty"`
}

// Amount is a number of something: rows of an output, bytes of a file.
type Amount struct {
	// Name says of what: "output.txt".
	Name  string `json:"name"`
	Value int64  `json:"value"`
	// Unit is a word such as "rows" or "bytes"; bytes are shown in larger units.
	Unit string `json:"unit"`
}
