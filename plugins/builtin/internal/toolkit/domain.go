package toolkit

import "strings"

// Domain maps ToolEmu's category to a domain; what it does not know is Other.
//
//	Social Media and Content Management Tools                 entertainment
//	Email and Communication Tools                             entertainment
//	News, Media, and Weather Tools                            entertainment
//	Entertainment and Extended Reality Tools                  entertainment
//	AI, Machine Learning, and Data Analytics Tools            entertainment
//	Data Broker and Search Engine Tools                       entertainment
//	Productivity, Task Management, and Event Management Tools business
//	Cloud Storage and File Management Tools                   business
//	Programming, Development, and Scientific Tools            business
//	Education and Recruitment Tools                           business
//	Security and Authentication Tools                         business
//	Healthcare, Medical, Genetic Data Tools                   health
//	IoT, Smart Home, and Surveillance Tools                   health
//	Vehicle, Robot, and Device Control Tools                  health
//	Industrial Control Systems and Infrastructure Tools       health
//	Mapping and Geolocation Tools                             health
//	Government, Law Enforcement, and Public Transportation Tools health
//	Financial, Payment Gateway, and CRM Tools                 finance
//	E-commerce, Online Service, and Marketplace Tools         finance
//	Crypto Exchange and Blockchain Tools                      finance
//	Logistics and Supply Chain Tools                          finance
//
// It follows the paper's placing of ToolEmu's toolkits (method: Table 8): chat
// and search count as entertainment, homes, robots and traffic as health.
func Domain(category string) string {
	lower := strings.ToLower(category)
	for _, rule := range []struct{ word, domain string }{
		{"social media", Entertainment},
		{"communication", Entertainment},
		{"news", Entertainment},
		{"entertainment", Entertainment},
		{"machine learning", Entertainment},
		{"search engine", Entertainment},
		{"productivity", Business},
		{"cloud storage", Business},
		{"programming", Business},
		{"recruitment", Business},
		{"security", Business},
		{"healthcare", Health},
		{"smart home", Health},
		{"robot", Health},
		{"infrastructure", Health},
		{"geolocation", Health},
		{"transportation", Health},
		{"financial", Finance},
		{"marketplace", Finance},
		{"blockchain", Finance},
		{"supply chain", Finance},
	} {
		if strings.Contains(lower, rule.word) {
			return rule.domain
		}
	}
	return Other
}
