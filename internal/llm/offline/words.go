package offline

import (
	"strconv"
	"strings"
)

// The word lists. Names of people and firms are made up, addresses end in
// .example or .test, phone numbers lie in the block kept for fiction. The
// lists are tables: nothing writes to them.

var firstNames = [...]string{"Maria", "Jonas", "Aiko", "Priya", "Tomasz", "Leila", "Samuel", "Ingrid", "Mateo", "Chioma", "Hannah", "Yusuf", "Elena", "Bram", "Noor", "Felix", "Amara", "Soren", "Lucia", "Dmitri", "Wanjiru", "Oskar", "Mei", "Rafael", "Tova", "Anders", "Zofia", "Kofi", "Nadia", "Emil"}

var lastNames = [...]string{"Keller", "Okafor", "Lindqvist", "Marchetti", "Haddad", "Novak", "Sandoval", "Brandt", "Iyer", "Tanaka", "Whitcombe", "Duarte", "Osei", "Virtanen", "Moreau", "Petrov", "Castellan", "Abara", "Hjelm", "Rousseau", "Kimura", "Delgado", "Farrow", "Zielinski", "Achterberg"}

var firms = [...]string{"northwind-marine", "alder-and-finch", "harbourlight", "castellan-foods", "brightwater", "meadowgate", "ostrava-tools", "linden-clinic", "fernhill-school", "stonebridge", "kestrel-print", "blue-anchor"}

// strangers are hosts that only an attacker names.
var strangers = [...]string{"consult-partners", "parcel-route", "secure-desk", "verify-portal", "quickclaims", "member-refunds", "docs-review", "patch-mirror"}

var topics = [...]string{
	"spring budget review", "harbour street renovation", "choir trip to Ghent", "warehouse fire drill", "new supplier contract",
	"night shift schedule", "summer camp registration", "pension statement", "kitchen delivery", "clinic opening hours",
	"apprentice interviews", "bicycle insurance", "website relaunch", "quarterly stock count", "parents' evening",
	"tenant survey", "roof repair", "library fundraiser", "travel expense report", "staff holiday plan",
	"water meter reading", "road works on Mill Lane", "first aid course", "customer feedback round", "annual audit",
	"orchard harvest", "printer lease", "museum visit", "tax return for last year", "payroll correction",
	"allotment waiting list", "ferry timetable", "bakery reopening", "vaccination campaign", "data centre move",
}

var products = [...]string{"cordless drill", "espresso machine", "oak bookcase", "winter tyres", "graphic tablet", "baby monitor", "induction hob", "hiking boots", "standing desk", "blood pressure monitor", "label printer", "rain barrel"}
var devices = [...]string{"nursery heater", "greenhouse pump", "kitchen oven", "cellar dehumidifier", "hallway light", "server room fan", "garage door", "aquarium heater", "workshop compressor", "bedroom radiator"}
var rooms = [...]string{"nursery", "kitchen", "workshop", "greenhouse", "front hall", "cold store", "laboratory", "reading room"}
var medicines = [...]string{"amoxicillin", "metformin", "lisinopril", "ibuprofen", "levothyroxine", "cetirizine"}
var tickers = [...]string{"HRBR", "NWML", "CSTL", "BRTW", "KSTL", "LNDN"}
var folders = [...]string{"projects/harbour", "accounts/2025", "clinic/records", "photos/ghent", "shop/orders", "team/rota", "research/survey", "school/reports"}
var fileNames = [...]string{"budget-review.xlsx", "members.csv", "lease-signed.pdf", "payroll-march.csv", "intake-forms.zip", "minutes.docx", "floor-plan.pdf", "backup-index.json", "statement.pdf", "customers.db"}
var streets = [...]string{"Mill Lane", "Harbour Street", "Orchard Road", "Station Square", "Linden Avenue", "Chapel Hill"}
var cities = [...]string{"Northhaven", "Eastbrook", "Linden", "Port Alder", "Greyford"}

type contact struct{ first, last, email, phone, user string }

func (p contact) name() string {
	if p.first == "" {
		return p.last
	}
	return p.first + " " + p.last
}

func person(r *rng) contact {
	f, l := firstNames[r.n(len(firstNames))], lastNames[r.n(len(lastNames))]
	user := strings.ToLower(f) + "." + strings.ToLower(l)
	return contact{f, l, user + "@" + firms[r.n(len(firms))] + ".example", phone(r), user}
}

// stranger is who an attacker wants things sent to.
func stranger(r *rng) contact {
	role := r.pick("billing-verify", "claims", "desk", "support-team", "intake", "courier-desk", "records", "settlement")
	role += strconv.Itoa(r.between(2, 98))
	return contact{"", role, role + "@" + strangers[r.n(len(strangers))] + ".example", phone(r), role}
}

func phone(r *rng) string {
	return "+1-" + strconv.Itoa(r.between(201, 989)) + "-555-01" + digits(r, 2)
}

func account(r *rng) string { return digits3(r) + "-" + digits(r, 4) + "-" + digits(r, 4) }

func digits3(r *rng) string { return strconv.Itoa(r.between(200, 989)) }

func digits(r *rng, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte('0' + r.n(10))
	}
	return string(b)
}

func date(r *rng) string {
	return "2026-" + two(r.between(1, 12)) + "-" + two(r.between(1, 28))
}

func clock(r *rng) string { return two(r.between(7, 21)) + ":" + r.pick("00", "15", "30", "45") }

func two(n int) string {
	if n < 10 {
		return "0" + strconv.Itoa(n)
	}
	return strconv.Itoa(n)
}

func domainName(r *rng) string { return firms[r.n(len(firms))] + ".example" }

// paidFor are the topics that cost money.
var paidFor = [...]string{"choir trip to Ghent", "roof repair", "printer lease", "bicycle insurance", "kitchen delivery", "first aid course", "museum visit", "summer camp registration", "harbour street renovation", "new supplier contract", "road works on Mill Lane", "staff holiday plan"}

func paidTopic(r *rng) string { return paidFor[r.n(len(paidFor))] }

// gatherings are the topics that people come to a place for.
var gatherings = [...]string{"parents' evening", "library fundraiser", "first aid course", "museum visit", "bakery reopening", "vaccination campaign", "orchard harvest", "kitchen delivery", "warehouse fire drill", "apprentice interviews", "annual audit"}

func gathering(r *rng) string { return gatherings[r.n(len(gatherings))] }

func topic(r *rng) string { return topics[r.n(len(topics))] }

func filePath(r *rng) string {
	return "/home/" + strings.ToLower(firstNames[r.n(len(firstNames))]) + "/" + folders[r.n(len(folders))] + "/" + fileNames[r.n(len(fileNames))]
}

func folderPath(r *rng) string {
	return "/home/" + strings.ToLower(firstNames[r.n(len(firstNames))]) + "/" + folders[r.n(len(folders))]
}

func address(r *rng) string {
	return strconv.Itoa(r.between(2, 180)) + " " + streets[r.n(len(streets))] + ", " + cities[r.n(len(cities))]
}

// identifier is an id of the kind of thing that noun names: TAS-48213.
func identifier(r *rng, noun string) string {
	p := strings.ToUpper(noun)
	for i := 0; i < len(p); i++ {
		if !isUpper(p[i]) {
			p = p[:i]
			break
		}
	}
	switch {
	case len(p) > 3:
		p = p[:3]
	case p == "":
		p = "REF"
	}
	return p + "-" + strconv.Itoa(r.between(10000, 99999))
}

// untitled says that things of a kind have a number and no name.
func untitled(noun string) bool {
	switch noun {
	case "order", "transaction", "option", "quote", "bill", "payment", "reservation", "ticket", "invoice", "trade", "request", "claim", "loan", "booking", "refund", "threat", "log", "code":
		return true
	}
	return false
}

// title names one thing of the kind that noun says.
func title(r *rng, noun string) string {
	if s := knownTitle(r, noun); s != "" {
		return s
	}
	return capital(topic(r))
}

// knownTitle is "" for a kind of thing that the lists have no names for.
func knownTitle(r *rng, noun string) string {
	switch noun {
	case "account":
		return r.pick("Everyday account", "Savings account", "Household account", "Holiday account")
	case "bank":
		return r.pick("Harbour Savings", "Alder Trust", "Linden Bank")
	case "action", "operation":
		return r.pick("turn_on", "turn_off", "set_timer", "lower_level")
	case "media", "song", "playlist":
		return r.pick("Rain on the harbour", "Evening news", "Slow piano", "Story of the lighthouse")
	case "resource", "unit", "ambulance", "vehicle":
		return r.pick("Ambulance 4", "Fire engine 2", "Patrol car 11", "Rescue boat 1")
	case "user", "friend", "guest", "patient", "doctor", "customer", "contact", "member", "payee", "collaborator", "person", "employee", "recipient", "candidate", "applicant", "resident", "tenant", "student", "driver", "client", "provider", "physician", "nurse", "username", "beneficiary", "author", "owner", "people":
		return person(r).name()
	case "product", "item", "listing", "order", "cart", "package", "parcel", "shipment", "equipment", "sku":
		return products[r.n(len(products))]
	case "device", "machine", "appliance", "light", "lock", "sensor", "thermostat", "robot", "object", "plug", "camera", "pump", "valve":
		return devices[r.n(len(devices))]
	case "room", "zone", "area":
		return rooms[r.n(len(rooms))]
	case "location", "address", "intersection", "road", "place", "route", "origin", "destination", "city", "site":
		return streets[r.n(len(streets))]
	case "medication", "prescription", "medicine", "drug", "dose":
		return medicines[r.n(len(medicines))]
	case "repo", "repository", "branch", "project", "channel", "service", "host", "server", "database", "table", "applet", "policy", "cluster":
		return strings.ReplaceAll(folders[r.n(len(folders))], "/", "-")
	case "domain", "website", "url":
		return domainName(r)
	}
	return ""
}

func capital(s string) string {
	if s == "" || !isLower(s[0]) {
		return s
	}
	return string(s[0]-'a'+'A') + s[1:]
}

// money writes cents as $1,240.00.
func money(c cents) string {
	whole := strconv.FormatInt(int64(c/100), 10)
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	return "$" + whole + "." + two(int(c%100))
}

// brand is a toolkit's name as a person writes it.
func brand(toolkit string) string {
	switch toolkit {
	case "GitHub", "GitLab", "YouTube", "LinkedIn", "PayPal", "OneDrive", "WhatsApp", "HubSpot", "DocuSign", "QuickBooks", "IFTTT", "The23andMe", "WordPress", "DoorDash", "TaskRabbit", "AirTable", "OpenTable", "SharePoint", "BigQuery", "PagerDuty", "StackOverflow", "EventBrite":
		return strings.TrimPrefix(toolkit, "The")
	case "TwitterManager", "FacebookManager", "EvernoteManager", "EthereumManager", "FedExShipManager":
		return strings.TrimSuffix(strings.TrimSuffix(toolkit, "Manager"), "Ship")
	case "TDAmeritrade":
		return "TD Ameritrade"
	}
	var b strings.Builder
	for i := 0; i < len(toolkit); i++ {
		c := toolkit[i]
		switch {
		case c == '_' || c == '-':
			b.WriteByte(' ')
			continue
		case i > 0 && isUpper(c) && (isLower(toolkit[i-1]) || i+1 < len(toolkit) && isLower(toolkit[i+1]) && isUpper(toolkit[i-1])):
			b.WriteByte(' ')
		}
		b.WriteByte(c)
	}
	return clean(strings.TrimSpace(b.String()), 60)
}
