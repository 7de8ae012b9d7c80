"""Passwords of 10 characters or more that attackers try first, folded; shorter ones are refused anyway."""

from __future__ import annotations

COMMON_PASSWORDS = frozenset(
    """
    0123456789 0987654321 1029384756 1111111111 1112223334 11223344556 1122334455 1234512345 1234554321
    123456123456 123456654321 1234567890 12345678900 12345678901 1234567890a 1234567890q 1234567890-=
    12345678910 123456789123 123456789a 123456789abc 123456789q 123456789qwe 1234567abc 12345qwert
    123654789a 123abc456def 123qwe123qwe 123qweasdzxc 147258369a 1478523690 147896325a 1q2w3e4r5t
    1q2w3e4r5t6y 1q2w3e4r5t6y7u 1qaz2wsx3edc 1qazxsw23edc 3.14159265 31415926535 5555555555 5432154321
    6666666666 741852963a 7777777777 789456123a 8888888888 9876543210 987654321a 9999999999 a123456789
    a1b2c3d4e5 a1b2c3d4e5f6 aa12345678 aaaaaaaaaa abc1234567 abc123abc123 abc123def456 abcd123456
    abcdefghij abcdefghijkl adgjmptw123 administrator admin12345 admin123456 adminadmin adminpassword
    anthony123 arsenal123 asd123asd123 asdasd123123 asdasdasd1 asdf1234567 asdfasdf12 asdfasdfasdf
    asdfghjkl1 asdfghjkl; asdfghjkl123 azertyuiop babygirl12 babygirl123 barcelona1 baseball12
    baseball123 basketball basketball1 bismillah1 blink182blink bookmarks1 bookmarks123 butterfly1
    butterfly123 bubblegum1 california california1 changeme12 changeme123 changemenow charlie123
    cheesecake chelsea123 chocolate1 chocolate123 christopher christopher1 cinderella computer12
    computer123 correcthorse correcthorsebatterystaple counterstrike crocodile1 daniel1234 defaultpassword
    delicious1 delicious123 delinkcious delinkcious1 delinkcious123 dragon1234 dragonball dragonball1
    dragonballz einstein123 elizabeth1 elizabeth123 enterprise evanescence facebook12 facebook123
    fingerprint firebird123 football12 football123 footballer forgetmenot forgot1234 forsaken123 freedom123
    fuckyou123 fuckyou1234 generation gfhjkm1234 godisgood1 godislove1 google1234 graduation
    guest12345 guestguest harrypotter harrypotter1 hellohello hello12345 hello123456 helloworld
    helloworld1 helloworld123 hollywood1 iamthebest iloveyou10 iloveyou12 iloveyou123 iloveyou1234
    iloveyou22 iloveyousomuch iloveyou2much iluvyou123 infiniti123 internet12 internet123 jacqueline
    jennifer12 jennifer123 jessica123 jesuschrist jonathan123 jordan1234 juventus123 keyboard123
    killer1234 kingkong123 leonardo123 letmein123 letmein1234 letmeinnow linkinpark linkinpark1 liverpool1
    liverpool123 liverpoolfc lollipop12 lollipop123 loveforever lovelovelove loveyou123 lovelylove
    manchester manchester1 manchesterunited maradona10 master1234 mercedes123 metallica1 metallica666
    michael123 microsoft1 microsoft123 minecraft1 minecraft123 mississippi monkey1234 motherfucker
    mustang123 mypassword mypassword1 mypassword123 myspace123 naruto1234 newpassword newyork123
    nicholas123 nintendo64 nirvana123 nopassword nothing123 november11 p@ssw0rd12 p@ssw0rd123 p@ssword123
    pa55word123 pa55w0rd123 pass123456 pass1234567 passpass12 passpasspass passw0rd12 passw0rd123 passwd1234
    password00 password01 password09 password10 password11 password12 password123 password1234
    password12345 password123456 password13 password2020 password2021 password2022 password2023 password2024
    password2025 password2026 password21 password22 password23 password69 password88 password99
    password@123 password!! password!23 passwordpassword passw0rd123! patrick123 pineapple1 pineapple123
    playstation playstation2 pokemon123 pokemon1234 precious123 primavera1 princess12 princess123
    princess1234 purpleunicorn q1w2e3r4t5 q1w2e3r4t5y6 qawsedrftg qazwsx1234 qazwsxedc1 qazwsxedc123
    qazwsxedcrfv qazxswedc123 qqww1122ee qwe123qwe123 qwe123asd456 qwer123456 qwer1234qwer qwer12345678
    qwerasdfzxcv qwert12345 qwert123456 qwerty0987 qwerty1234 qwerty12345 qwerty123456 qwerty1234567
    qwerty123456789 qwertyqwerty qwertyuiop qwertyuiop1 qwertyuiop12 qwertyuiop123 qwertyuiop[] qwertz1234
    qwertzuiop rangers123 realmadrid realmadrid1 realmadridcf redsox2004 rockstar12 rockstar123 rootroot12
    samsung123 samsung1234 scoobydoo1 scoobydoo2 secret1234 secretpassword september1 september11
    shadow1234 skateboard skywalker1 slipknot666 snowflake1 soccer1234 something1 spiderman1 spiderman123
    starwars12 starwars123 strawberry strawberry1 summer2020 summer2021 summer2022 summer2023 summer2024
    summer2025 sunflower1 sunshine12 sunshine123 superman12 superman123 superman1234 supernatural
    superstar1 sweetheart tennis1234 test123456 test1234567 testpassword testtest12 testtest123 testtesttest
    testing123 testing1234 thebeatles thisisapassword thisismypassword tinkerbell tinkerbell1 trustno1234
    undertaker unbelievable valentina1 vfhbyf1234 victoria12 victoria123 volleyball volleyball1 wasd123456
    watermelon watermelon1 welcome123 welcome1234 welcome12345 whatever12 whatever123 whatever1234
    william123 windows123 winter2020 winter2021 winter2022 winter2023 winter2024 winter2025 wonderland
    wordpass123 xbox360live xxxxxxxxxx yankees123 yourpassword zaq12wsx34 zaq1xsw2cde3 zaq12wsxcde3
    zaqxswcde123 zxcasdqwe123 zxcv123456 zxcvbnm123 zxcvbnm1234 zxcvbnm123456 zxcvbnm,./ zxczxczxc1
    """.split()  # noqa: SIM905 - six times the lines otherwise
)
