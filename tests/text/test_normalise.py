import re
import sys
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.errors import MissingExtra
from asr.text.normalise import normalise, normaliser

unhurried = settings(deadline=None)
# Letters alone hide what happens where they meet. So mix them with what is removed, joined or
# composed.
TRICKY = st.sampled_from(
    list("aÉßİΣ' -’´`_\t\u00a0\u00ad\u0301\u0307\u0345\u200b\u200c\u200d\u200e\u0e33\u0149ﬁⅷ²½가각\u1e9e")
)
TEXTS = st.text(st.one_of(TRICKY, st.characters(exclude_categories=["Cs"])), max_size=12)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello, World!", "hello world"),
        ("  two\twords\n", "two words"),
        ("", ""),
        ("... ?! —", ""),
        ("3.5 %", "3 5"),
        # apostrophes: inside words only, and all of one kind
        ("Don't, O’Neil`s won´t", "don't o'neil's won't"),
        ("'tis the dogs' 'quote'", "tis the dogs quote"),
        ("rock 'n' roll ''a''b", "rock n roll a b"),
        ("e\u0331'a", "e\u0331'a"),  # after a letter that carries a mark, too
        # hyphens and dashes part words, a soft hyphen does not
        ("well-known—yes e\u2011mail", "well known yes e mail"),
        ("co\u00adop", "coop"),
        ("snake_case a/b", "snake case a b"),
        # accents and marks
        ("CAFÉ cafe\u0301", "café café"),
        ("ÅNGSTRÖM Åse", "ångström åse"),
        ("İ i\u0307", "i i"),  # never an i with a second dot
        ("cafe\u00ad\u0301", "café"),  # composed after what stood between has gone
        ("ΟΔΟΣ.", "οδος"),
        ("Straße", "straße"),
        ("किताब में हैं।", "किताब में हैं"),
        ("ภาษาไทยก็ดี", "ภาษาไทยก็ดี"),
        ("Tiếng Việt", "tiếng việt"),
        # right to left: order of letters and their points unchanged, direction marks gone
        ("שָׁלוֹם, עוֹלָם!", "שָׁלוֹם עוֹלָם"),
        ("\u200fمرحبا، بالعالم؟\u200e", "مرحبا بالعالم"),
        # joiners are spelling inside words, and nothing elsewhere
        ("می‌خواهم\u200c", "می‌خواهم"),
        ("ශ්‍රී ලංකා", "ශ්‍රී ලංකා"),
        ("a 👩‍👧 b", "a b"),
        # compatibility forms
        ("ＡＢＣ１２３", "abc123"),
        ("ﬁne ①", "fine 1"),
        ("今天，天气。", "今天 天气"),
        ("٣٫٥", "٣ ٥"),
        ("𝐁𝒐𝓵𝖉 Ⓐ ㎞ brand™ 𝛜", "bold a km brand ε"),
        ("x² 1ª ½", "x² 1ª ½"),  # of another meaning, not another look
        ("⼈⼝", "人口"),
        ("ｶﾞ ﾊﾟ か゛", "ガ パ が"),
        ("ﻻ ﷲ ﭏ", "لا الله אל"),
        ("\u00b5m", "μm"),
        # what nobody sees is no word, and no letter of one
        ("ok ☺️ 1️⃣ ❤️", "ok 1"),
        ("葛󠄀 ᠠ᠋", "葛 ᠠ"),
        ("가\u3164나 \uffa0 a\u034fb", "가 나 ab"),
        # a mark needs a letter before it
        ("\u0301a \u064e ◌\u0e34 '\u0301b a'\u0301b", "a b a'b"),
    ],
)
def test_basic_form(text, expected):
    assert normalise(text) == unicodedata.normalize("NFC", expected)


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("ab", "АҨЫ́ЗА Аԥсуа", "аҩы́за аԥсуа"),
        ("am", "ሰላም፡ለዓለም።", "ሰላም ለዓለም"),
        ("ar", "السَّــلام، عليكـــم؟", "السَّلام عليكم"),
        ("as", "অসমীয়া ভাষা।", "অসমীয়া ভাষা"),
        ("az", "İŞIQ, ISTI", "işıq ıstı"),
        ("ba", "БАШҠОРТ Әҙәм", "башҡорт әҙәм"),
        ("be", "Аб’ява, сям`я", "аб'ява сям'я"),
        ("bg", "Здравей, ѝ!", "здравей ѝ"),
        ("bn", "আমি বাংলায়, কথা!", "আমি বাংলায় কথা"),
        ("bo", "བོད་སྐད།", "བོད སྐད"),
        ("br", "C’hoar, C'HWI", "c'hoar c'hwi"),
        ("ca", "Col·lecció paraŀlel, COL•LEGI · fi", "col·lecció paral·lel col·legi fi"),
        ("chr", "ᏣᎳᎩ ꮳꮃꭹ", "ᏣᎳᎩ ᏣᎳᎩ"),
        ("ckb", "ئێمە کوردین، وەڵام", "ئێمە کوردین وەڵام"),
        ("crh", "QIRIM, İŞ", "qırım iş"),
        ("cs", "Příliš žluťoučký KŮŇ", "příliš žluťoučký kůň"),
        ("cy", "Dw i’n ŵyl", "dw i'n ŵyl"),
        ("da", "Æblegrød på ÅEN", "æblegrød på åen"),
        ("de", "STRAẞE, Straße", "straße straße"),
        ("dv", "ދިވެހި، ބަސް", "ދިވެހި ބަސް"),
        ("el", "ΟΔΥΣΣΕΎΣ, Σωκράτης·", "οδυσσεύς σωκράτης"),
        ("eo", "Eĥoŝanĝo ĈIUĴAŬDE", "eĥoŝanĝo ĉiuĵaŭde"),
        ("es", "¿Qué? ¡Ñandú!", "qué ñandú"),
        ("et", "Õhtu, ŠOTI", "õhtu šoti"),
        ("eu", "Kaixo, etxekoandreak!", "kaixo etxekoandreak"),
        ("fa", "می‌خواهم، کتاب‌ها‌", "می‌خواهم کتاب‌ها"),
        ("fi", "Hyvää YÖTÄ", "hyvää yötä"),
        ("fr", "L’ŒUVRE d'aujourd’hui", "l'œuvre d'aujourd'hui"),
        ("fy", "Ĳsbaan, skûtsje", "ijsbaan skûtsje"),
        ("ga-IE", "Cá bhfuil TÚ?", "cá bhfuil tú"),
        ("gn", "Mba’éichapa ñe'ẽ", "mba'éichapa ñe'ẽ"),
        ("gu", "ગુજરાતી ભાષા.", "ગુજરાતી ભાષા"),
        ("ha", "Ɓauna ƙasa ‘ya", "ɓauna ƙasa ya"),
        ("he", 'צה״ל צה"ל, ג׳ירפה אמר "שלום" פרופ׳', "צה״ל צה״ל ג'ירפה אמר שלום פרופ"),
        ("hi", "ज़रूर हिन्दी, क्या?", "ज़रूर हिन्दी क्या"),
        ("hr", "ǅep, Ǉubav ǌuška", "džep ljubav njuška"),
        ("hu", "Árvíztűrő TÜKÖRFÚRÓGÉP", "árvíztűrő tükörfúrógép"),
        ("hy-AM", "Ի՞նչ է, և Եվրոպա՜։", "ինչ է և եվրոպա"),
        ("is", "Þjóðin ÆTLAÐI", "þjóðin ætlaði"),
        ("it", "Un'amica, perché?", "un'amica perché"),
        ("ja", "ﾃﾞｰﾀ、時々・々　ＡＩ。", "データ 時々 々 ai"),
        ("ka", "ᲡᲐᲥᲐᲠᲗᲕᲔᲚᲝ საქართველო", "საქართველო საქართველო"),
        ("kab", "Ɣur-s, Tamaziɣt", "ɣur s tamaziɣt"),
        ("kk", "ҚАЗАҚ Әліппе", "қазақ әліппе"),
        ("km", "ភាសាខ្មែរ។ ៗ", "ភាសាខ្មែរ ៗ"),
        ("kn", "ಕನ್ನಡ ಭಾಷೆ.", "ಕನ್ನಡ ಭಾಷೆ"),
        ("ko", "ㅋㅋㅋ 한국어, ㄱㅏ ﾡ", "ㅋㅋㅋ 한국어 ㄱㅏ ㄱ"),
        ("lo", "ນ້ຳ ຄຳ ໜ້າ ນໍ້າ", "ນ້ຳ ຄຳ ໜ້າ ນ້ຳ"),
        ("lt", "ĄŽUOLAS, į", "ąžuolas į"),
        ("lv", "Ķirbis ĢIMENE", "ķirbis ģimene"),
        ("mk", "ЃАВОЛ Ќе", "ѓавол ќе"),
        ("ml", "മലയാളം, അവൻ ൻ", "മലയാളം അവൻ ൻ"),
        ("mn", "Монгол ХЭЛ ᠮᠣᠩᠭᠣᠯ", "монгол хэл ᠮᠣᠩᠭᠣᠯ"),
        ("mr", "मराठी, र्‍हास", "मराठी र्‍हास"),
        ("mt", "Iċ-Ċaqlaq, GĦAJN", "iċ ċaqlaq għajn"),
        ("my", "မြန်မာ ၎င်း၏ အိမ်၌။", "မြန်မာ ၎င်း၏ အိမ်၌"),
        ("ne", "नेपाली भाषा ।", "नेपाली भाषा"),
        ("nl", "Ĳsland, ’s avonds", "ijsland s avonds"),
        ("nqo", "ߒߞߏ߸ ߺߓߊ", "ߒߞߏ ߓߊ"),
        ("oc", "In·hèrn", "in·hèrn"),
        ("or", "ଓଡ଼ିଆ ଭାଷା", "ଓଡ଼ିଆ ଭାଷା"),
        ("pa-IN", "ਪੰਜਾਬੀ, ਬੋਲੀ।", "ਪੰਜਾਬੀ ਬੋਲੀ"),
        ("pl", "Zażółć GĘŚLĄ", "zażółć gęślą"),
        ("ps", "پښتو، ژبه", "پښتو ژبه"),
        ("pt", "Não, CORAÇÃO", "não coração"),
        ("ro", "Ștefan ȚARĂ", "ștefan țară"),
        ("ru", "Ёлка, ВСЁ — всё", "ёлка всё всё"),
        ("sat", "ᱥᱟᱱᱛᱟᱲᱤ ᱠᱷᱚᱱ᱾", "ᱥᱟᱱᱛᱟᱲᱤ ᱠᱷᱚᱱ"),
        ("sd", "گھر ۾ ۽ ٻاھر", "گھر ۾ ۽ ٻاھر"),
        ("si", "ශ්‍රී ලංකා.", "ශ්‍රී ලංකා"),
        ("sr", "ЉУБАВ Ђак", "љубав ђак"),
        ("sv", "Ärlig ÅÄÖ", "ärlig åäö"),
        ("sw", "Ng’ombe wa ng'ambo", "ng'ombe wa ng'ambo"),
        ("ta", "தமிழ் ஸ்ரீ, மொழி", "தமிழ் ஸ்ரீ மொழி"),
        ("te", "తెలుగు భాష.", "తెలుగు భాష"),
        ("th", "น้ำ ทำ นํ้า นำ้ ๆ", "น้ำ ทำ น้ำ น้ำ ๆ"),
        ("ti", "ትግርኛ፣ቋንቋ።", "ትግርኛ ቋንቋ"),
        ("tig", "ትግረ ⵣ ⵜⵯ", "ትግረ ⵣ ⵜⵯ"),
        ("tr", "İSTANBUL'DA IŞIK", "istanbul'da ışık"),
        ("tr-TR", "I\u0307zmir ÇIĞIR", "izmir çığır"),
        (None, "İSTANBUL'DA IŞIK i\u0307stanbul", "istanbul'da işik istanbul"),
        ("ug", "ئۇيغۇرچە، تىل", "ئۇيغۇرچە تىل"),
        ("uk", "П’ять, ЇЖАК", "п'ять їжак"),
        ("ur", "اردو، زبان۔", "اردو زبان"),
        ("uz", "O‘zbek tog' gʻisht O'ZBEK maʼno", "oʻzbek togʻ gʻisht oʻzbek ma'no"),
        ("vi", "Tiếng Việt ĐƯỜNG", "tiếng việt đường"),
        ("yi", "ייִדיש, װאָס", "ייִדיש װאָס"),
        ("yo", "Ọ̀rọ̀ ṢÀNGÓ", "ọ̀rọ̀ ṣàngó"),
        ("yue", "列奥纳多·达，今日", "列奥纳多 达 今日"),
        ("zgh", "ⵜⴰⵎⴰⵣⵉⵖⵜ ⵜⵯ", "ⵜⴰⵎⴰⵣⵉⵖⵜ ⵜⵯ"),
    ],
)
def test_no_language_is_misspelt(language, text, expected):
    """However the text was typed: letter by letter, composed or not."""
    expected = unicodedata.normalize("NFC", expected)
    for typed in (text, unicodedata.normalize("NFD", text)):
        assert normalise(typed, language=language) == expected
    assert normalise(expected, language=language) == expected


@pytest.mark.parametrize(
    "word",
    [chr(code) for code in (0x587, 0xE33, 0xEB3, 0xEDC, 0xEDD, 0x675, 0x676, 0x677, 0x678, 0xF77, 0xF79, 0x1E9A)]
    + [chr(code) for code in (0x3131, 0x318E, 0x2D6F, 0x10FC, 0x2B0, 0x1D2C, 0xAA, 0xBA)],
)
def test_letters_that_unicode_calls_compatible_stay(word):
    """NFKC makes two letters, or another one, of each."""
    assert unicodedata.normalize("NFKC", word) != word
    assert normalise(f"a{word}") in (f"a{word}", f"a{word.lower()}")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("  Don’t \t Stop! ", "Don’t Stop!"), ("Cafe\u0301 ﬁ", "Café ﬁ"), ("\u3000", ""), ("<unk> A_b", "<unk> A_b")],
)
def test_verbatim_form_composes_and_spaces_and_no_more(text, expected):
    assert normalise(text, "verbatim") == expected


@settings(unhurried, max_examples=500)
@given(TEXTS, st.sampled_from(["basic", "verbatim"]), st.sampled_from([None, "tr", "uz", "he"]))
def test_normalising_twice_changes_nothing(text, form, language):
    once = normalise(text, form, language)
    assert normalise(once, form, language) == once


@unhurried
@given(TEXTS)
def test_basic_text_holds_letters_marks_numbers_apostrophes_and_single_spaces(text):
    for word in normalise(text).split(" "):
        assert not word.startswith("'") and not word.endswith("'") and "''" not in word
        assert all(c in "'·״۽۾\u200c\u200d၌၍၎၏" or unicodedata.category(c)[0] in "LMN" for c in word)
        assert not unicodedata.category(word.lstrip("\u200c\u200d")[:1] or "a").startswith("M")
        assert word == unicodedata.normalize("NFC", word)


@unhurried
@given(TEXTS)
def test_case_and_composition_do_not_matter(text):
    assert normalise(unicodedata.normalize("NFD", text)) == normalise(text)
    assert normalise(normalise(text).lower()) == normalise(text)


@unhurried
@given(st.lists(TEXTS, max_size=4))
def test_words_are_normalised_one_by_one(words):
    """What stands beyond a space never changes a word."""
    assert normalise(" ".join(words)) == " ".join(filter(None, map(normalise, words)))


@pytest.mark.parametrize(
    ("normalisation", "expected"),
    [
        ("none", "Mr. O’Neil's COLOUR isn't twenty-one, um"),
        ("basic", "mr o'neil's colour isn't twenty one um"),
        ("english", "mister 0 neil is color is not 21"),
    ],
)
def test_what_is_made_equal_before_scoring(normalisation, expected):
    if normalisation == "english":
        pytest.importorskip("whisper_normalizer")
    assert normaliser(normalisation)(" Mr. O’Neil's\tCOLOUR isn't twenty-one, um\n") == expected


@pytest.mark.parametrize(("text", "expected"), [("Well ... yes", "well yes"), ("a . b", "a b"), ("$5 - 3%", "$5 3%")])
def test_english_leaves_no_word_of_punctuation(text, expected):
    pytest.importorskip("whisper_normalizer")
    assert normaliser("english")(text) == expected


def test_scoring_knows_the_language():
    assert normaliser("basic", "tr")("IŞIK") == "ışık"
    assert normaliser("basic")("IŞIK") == "işik"


def test_english_without_its_library_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "whisper_normalizer.english", None)
    with pytest.raises(MissingExtra, match=r"pip install 'asr\[score\]'"):
        normaliser("english")


@unhurried
@given(text=st.text(alphabet="aiz0' ", max_size=8), language=st.sampled_from([None, "en", "tr", "uz"]))
def test_what_is_in_its_form_at_first_sight_is_in_its_form(text, language):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("asr.text.normalise._NORMAL", re.compile("(?!)"))
        expected = normalise(text, language=language)
    assert normalise(text, language=language) == expected
