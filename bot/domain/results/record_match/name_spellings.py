"""Spellings of one name, a line for each name. Names on different lines are different names, however alike they look.

Collected from names as they are commonly spelt in English, French and Portuguese speaking Africa. A line never makes
two names *match*: it asks a person to compare them.
"""

_SPELLINGS = """
muhammad mohammed mohamed mohammad muhammed mohamad muhamad mohamet mahamat mahammad mouhamed mouhammad mohd muhd md
mamadou mamadu mahmadou momodou modou
mahmud mahmoud mahmood mamoud
ahmad ahmed ahmet amadou ahmadu amadu hamadou ahamed
hassan hasan hassane asan
hussein husain hussain hussaini husseini housseini ousseini hussaine houssein ousseynou
hassana hasana assana
usman othman uthman osman ousmane usmane osmane ousman
umar omar oumar umaru omer oumarou
yusuf yousef youssef yousuf yusuff yussuf youssouf yusufu yousouf yusif yousif yussif
yunus younes yunusa younous yunis younis
ibrahim ebrahim ibraheem brahim ibrahima ibrahimu
ismail ismaila ismael ishmael smail
isa issa eissa essa
musa moussa mousa musah moosa
sulaiman suleiman souleymane sulayman suleman solomon soliman sulaimon
abubakar aboubakar abubakari aboubacar abubaker aboubakr abubakr
abdullahi abdullah abdallah abdoulaye abdulai abdulahi abdalla abdoullah
abdulrahman abdurrahman abdurahman abdelrahman abderrahmane abdourahmane abdulrahaman abdirahman
abdulaziz abdelaziz abdoulaziz abdulazeez abdelazeez
abdulkadir abdelkader abdoulkader abdulkader abdulqadir abdikadir
ali aly aliy aliyu aliou alioune
fatima fatimah fatma fatuma fatoumata fatou faatimah fadimatou fatimatou fatumata
aisha aicha aishah ayesha aishatu aissatou aissata aichatou aishat asha
khadija khadijah kadija hadija hadiza khadijat khadidja kadidia kadiatou kadijatu hadizatou
mariam maryam mariama meriem miriam maryamu
zainab zaynab zeinab zainabu zeynab seynabou zainap
halima halimah halimatu halimatou alimatou
hauwa hawa hawwa haoua
amina aminah aminatu aminata aminatou amineh
aminu amin amine
salisu salissou
bello belo
sani sanni
garba garuba
diallo jallow jalloh diallow jallo dialo
ndiaye njie njai
cisse sise ceesay sesay
ba bah
sow sowe
toure touray turay
camara kamara
diop job jobe
sissoko cissoko sissokho
koulibaly coulibaly kulibaly
kone konneh
ouedraogo wedraogo
kouassi kwasi kwesi quasi kouasi
kouame kwame kwaame quame
kofi coffie koffi cofie cofi
kouadio kwadwo kojo kwadjo
yao yaw
akosua akosuah
chukwuemeka chukuemeka chukwemeka
chukwudi chukudi
nnamdi namdi
olufemi olufemmi
olayinka olaiyinka
stephen steven stephan
philip phillip philippe filip
catherine katherine catharine kathryn katharine
elizabeth elisabeth elisabete
theresa teresa therese
ann anne
john jon
sara sarah
deborah debora
hannah hanna hana
isaac isaak izak
jacob jakob
joseph josef yosef josephe
michael mikael micheal mikhail
peter petros pieter
paul paulos
marcus markos marcos
daniel danyel
matthew mathew matthieu matheus
souza sousa
luis luiz
wanjiku wanjikoo
njoroge ngoroge
tesfaye tesfay tesfai
haile hayle
yohannes yohanis johannes yohannis
gebremedhin gebremedhn gebremedin
mekonnen mekonen
"""

_LINES = {spelling: line for line, text in enumerate(_SPELLINGS.split("\n")) for spelling in text.split()}


def line_of(name: str) -> int | None:
    """Equal for two spellings of one name, another for another name, None for a name that is not listed."""
    return _LINES.get(name)
