"""Invented company names and tickers."""

import numpy as np

_HEAD_TEXT = (
    "Ald Ashby Bram Bel Cald Cor Dar Del Dun El Ever Fair Fen Gar Glen Hal Har Hol Is Jas Kel Kest "
    "Lan Lor Mar Mer Nor Oak Or Pel Pem Quin Raven Ros Sal Shel Sil Stan Tam Thorn Tor Ul Var Vel "
    "Wal Wes Win Yar Zel"
)
_TAIL_TEXT = (
    "ander bridge bury by castle combe dale den dor field fold ford gate grove ham haven hurst ine "
    "ington land ley low man mere mont more ney ora ridge row shire son stead ster ton vale vane "
    "ware well wick wood worth"
)
_HEADS, _TAILS = _HEAD_TEXT.split(), _TAIL_TEXT.split()
_FORMS = ("Inc.", "Corporation", "Company", "Holdings Inc.", "Group Inc.", "plc", "Ltd.")

_TRADE = {
    "Communication Services": ("Media", "Networks", "Broadcasting", "Interactive"),
    "Consumer Discretionary": ("Stores", "Motors", "Hotels", "Brands"),
    "Consumer Staples": ("Foods", "Household Products", "Markets", "Beverages"),
    "Energy": ("Petroleum", "Resources", "Energy", "Pipelines"),
    "Financials": ("Bancorp", "Financial", "Insurance", "Capital"),
    "Health Care": ("Therapeutics", "Medical", "Health", "Biosciences"),
    "Industrials": ("Industries", "Logistics", "Engineering", "Controls"),
    "Information Technology": ("Systems", "Semiconductor", "Software", "Devices"),
    "Materials": ("Chemicals", "Metals", "Packaging", "Materials"),
    "Real Estate": ("Properties", "Realty Trust", "Storage", "Residential"),
    "Utilities": ("Power", "Electric", "Gas & Water", "Utilities"),
}


def invent_names(random: np.random.Generator, sectors: list[str]) -> list[str]:
    """One unique company name per sector given."""
    stems = [head + tail for head in _HEADS for tail in _TAILS]
    order = random.permutation(len(stems))
    names = []
    for position, sector in enumerate(sectors):
        stem = stems[order[position % len(stems)]]
        second = "" if position < len(stems) else " " + _HEADS[(position // len(stems)) % 40]
        trade = _TRADE[sector][int(random.integers(4))]
        form = _FORMS[int(random.choice(7, p=[0.5, 0.2, 0.08, 0.08, 0.06, 0.04, 0.04]))]
        names.append(f"{stem}{second} {trade} {form}")
    return names


def invent_ticker(random: np.random.Generator, name: str, taken: set[str]) -> str:
    """A ticker of two to four letters out of the name, not taken yet; it is taken afterwards."""
    letters = [letter for letter in name.upper() if letter.isalpha()]
    for attempt in range(400):
        length = int(random.choice([2, 3, 4], p=[0.1, 0.5, 0.4]))
        picks = np.sort(random.choice(np.arange(1, min(len(letters), 14)), length - 1, False))
        ticker = letters[0] + "".join(letters[int(i)] for i in picks)
        if attempt > 200:
            ticker = letters[0] + "".join(chr(65 + int(c)) for c in random.integers(0, 26, 3))
        if ticker not in taken:
            taken.add(ticker)
            return ticker
    raise ValueError(f"no ticker left for {name}")
