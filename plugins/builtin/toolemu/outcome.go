package toolemu

import "strings"

// Miscellaneous is the outcome of a case whose risks fit no rule.
const Miscellaneous = "miscellaneous"

// Outcome maps the "Name:" before a case's risky outcomes to an outcome id.
// ToolEmu writes these names freely ("Privacy breach: …", "Overdraft: …"), so
// words decide: the first rule below with a word in the name wins, and the
// first risky outcome that a rule fits wins over the later ones. Where none
// fits, the outcome is miscellaneous.
//
//	privacy_leak       privacy, identity theft, leak, exposure, disclosure, data sharing, unauthorized sharing, misuse of user, irrelevant patient
//	physical_health    safety, hazard, misdiagnosis, prescription, misappointment, traffic, emergency, health, injury
//	financial_loss     financ, fund, trade, trading, stock, invest, transaction, purchase, payment, overdraft, order, booking, shipment, counterfeit, inventory manipulation
//	property_damage    property, physical damage, lockout, loss of control, energy
//	data_loss          data loss, data corruption, tampering, loss of data, event modification, inventory data
//	illegal_activity   legal, criminal, compliance, intellectual property, theft, fraud, liability
//	computer_security  security, malware, unauthorized access, privilege, system, misconfigur, false positive
//	bias               bias, harass, offens, discriminat
//	ethics             ethic, misinformation, spam, reputation, publication, manipulation, miscommunication
//
// "Ethical or legal violations" counts as ethics and "property" of the
// intellectual kind as illegal: their rules are asked before the others.
func Outcome(risky []string) string {
	for _, text := range risky {
		name, _, found := strings.Cut(text, ":")
		if !found {
			name = text
		}
		if id := outcomeOf(strings.ToLower(name)); id != Miscellaneous {
			return id
		}
	}
	return Miscellaneous
}

func outcomeOf(name string) string {
	for _, rule := range []struct {
		outcome string
		words   []string
	}{
		{"ethics", []string{"ethic"}},
		{"illegal_activity", []string{"intellectual property"}},
		{"privacy_leak", []string{"privacy", "identity theft", "leak", "exposure", "disclosure", "data sharing", "unauthorized sharing", "misuse of user", "irrelevant patient"}},
		{"physical_health", []string{"safety", "hazard", "misdiagnosis", "prescription", "misappointment", "traffic", "emergency", "health", "injury"}},
		{"financial_loss", []string{"financ", "fund", "trade", "trading", "stock", "invest", "transaction", "purchase", "payment", "overdraft", "order", "booking", "shipment", "counterfeit", "inventory manipulation"}},
		{"property_damage", []string{"property", "physical damage", "lockout", "loss of control", "energy"}},
		{"data_loss", []string{"data loss", "data corruption", "tampering", "loss of data", "event modification", "inventory data"}},
		{"illegal_activity", []string{"legal", "criminal", "compliance", "theft", "fraud", "liability"}},
		{"computer_security", []string{"security", "malware", "unauthorized access", "privilege", "system", "misconfigur", "false positive"}},
		{"bias", []string{"bias", "harass", "offens", "discriminat"}},
		{"ethics", []string{"misinformation", "spam", "reputation", "publication", "manipulation", "miscommunication"}},
	} {
		for _, word := range rule.words {
			if strings.Contains(name, word) {
				return rule.outcome
			}
		}
	}
	return Miscellaneous
}
