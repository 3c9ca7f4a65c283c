extension DefaultText {
    static let languages = #"""
        Der Wecker klingelte um halb sechs, aber Jonas war schon wach. Seit drei Wochen schlief er schlecht, und seit drei Wochen hörte er nachts
        den Güterzug, der immer um zwanzig nach vier über die Brücke fuhr. Er stand auf, machte kein Licht und kochte Kaffee. Auf dem Küchentisch
        lag der Brief, den er noch nicht geöffnet hatte. Er wusste, was darin stand: Die Werkstatt, in der er elf Jahre gearbeitet hatte, würde
        zum Jahresende schließen. »Wenigstens«, sagte er laut zu der Katze, »können wir dann ausschlafen.« Die Katze war anderer Meinung.

        Wie funktioniert ein Kühlschrank? Ein Kühlschrank erzeugt keine Kälte, er bringt Wärme von innen nach außen. In den Rohren fließt ein
        Kältemittel, das bei niedrigem Druck verdampft und dabei Wärme aufnimmt. Ein Kompressor verdichtet den Dampf, der dadurch heiß wird und
        seine Wärme an der Rückseite des Geräts abgibt. Danach ist das Mittel wieder flüssig, und der Kreislauf beginnt von vorn. Deshalb sollte
        man die Rückwand nicht zustellen: Wo die Wärme nicht wegkann, muss der Kompressor länger laufen, und der Stromverbrauch steigt.

        Le marché avait lieu deux fois par semaine, le mercredi et le samedi, sur la place devant la mairie. On y trouvait des légumes, du fromage,
        des chaussures et, au bout de la dernière rangée, un homme qui réparait les montres. Il disait rarement le prix à l'avance. « Revenez à
        onze heures, répondait-il, et nous verrons si elle veut encore marcher. » La plupart du temps, elle voulait bien. Quand ce n'était pas le
        cas, il ne demandait rien, mais il gardait la montre pour ses pièces, et personne ne songeait à s'en plaindre.

        Pour faire une omelette, battez trois œufs avec une pincée de sel, sans trop insister : il doit rester un peu de blanc visible. Faites fondre
        une noix de beurre dans une poêle bien chaude, versez les œufs et remuez pendant vingt secondes. Dès que le dessous est pris, pliez
        l'omelette en deux et faites-la glisser sur l'assiette. Elle continue de cuire hors du feu ; mieux vaut donc l'arrêter trop tôt que trop tard.

        El tren llegó con cuarenta minutos de retraso y nadie dijo nada. En el andén, una mujer vendía café en vasos de cartón; un niño contaba los
        vagones en voz alta y se equivocaba siempre en el mismo. Lucía buscó entre la gente la cara de su hermano, a quien no veía desde hacía
        nueve años, y se dio cuenta de que no sabía qué cara estaba buscando. Entonces alguien le tocó el hombro. «Has crecido», dijo él, y los dos
        se echaron a reír, porque ella tenía cuarenta y tres.

        ¿Cuál es la diferencia entre un virus y una bacteria? Las bacterias son seres vivos de una sola célula: se alimentan, crecen y se dividen.
        Los virus son mucho más pequeños y no pueden reproducirse por sí mismos; necesitan entrar en una célula y usar su maquinaria. Por eso los
        antibióticos, que atacan partes propias de las bacterias, no sirven contra la gripe ni contra un resfriado.

        Il 12 novembre 1951 il fiume ruppe gli argini in tre punti, e in una notte l'acqua coprì più di mille chilometri quadrati di pianura. Chi
        abitava ai piani alti accolse chi abitava al pianterreno; chi aveva una barca passò di casa in casa finché fu giorno. Mia nonna raccontava
        che la cosa più strana non era l'acqua, ma il silenzio: niente cani, niente galline, niente campane, per quasi due settimane.

        O rapaz que trabalhava na livraria sabia de cor onde estava cada livro, mas não sabia os preços. «Quanto custa este?», perguntavam-lhe. Ele
        olhava para a capa, depois para o cliente, e dizia um número. A dona descobriu isto ao fim de um ano, quando fez as contas, e ficou
        furiosa durante uma tarde inteira. À noite voltou a somar tudo e viu que, no conjunto, ele tinha vendido acima da tabela.

        De meeste mensen denken dat een dijk van klei is. In werkelijkheid bestaat hij vooral uit zand, met daaroverheen een laag klei van ongeveer
        een meter dik, en daarop gras. Het gras is geen versiering: de wortels houden de klei bij elkaar als het water erlangs stroomt. Daarom
        lopen er schapen op de dijk en geen koeien, want die zijn te zwaar en trappen gaten in de zode.

        Dziadek mawiał, że pogoda jest jak listonosz: przychodzi, kiedy chce, ale zawsze przychodzi. Na strychu trzymał zeszyty, w których od 1957
        roku zapisywał temperaturę, wiatr i to, czy bolało go kolano. Kiedy umarł, wzięła je do siebie pewna pani z uniwersytetu. Okazało się, że
        kolano myliło się rzadziej niż radio.

        Köyün tek fırını sabahları saat dörtte açılırdı. Hasan usta hamuru bir gece önceden yoğurur, üstünü bezle örter ve kapıyı kilitlemeden eve
        giderdi. «Ekmek çalan aç insandır,» derdi, «aç insana kilit vurulmaz.» Yıllar boyunca kimse bir şey çalmadı; yalnız bir kere, karlı bir
        ocak gecesinde, iki somun eksik çıktı, yerine de bir kavanoz bal bırakılmıştı.

        Поезд стоял на маленькой станции уже второй час, и проводница ходила по вагону с чаем, как будто так и было задумано. За окном шёл снег.
        Пожилой инженер в углу решал кроссворд и время от времени спрашивал вслух: «Река в Африке, пять букв?» Никто не знал, но каждый
        что-нибудь предлагал. К вечеру весь вагон был знаком между собой, а когда состав наконец тронулся, кто-то даже сказал: «Жаль».

        Почему зимой дни короче? Ось Земли наклонена примерно на 23,4 градуса, и на пути вокруг Солнца она всё время смотрит в одну сторону. Полгода
        к Солнцу повёрнуто северное полушарие, полгода — южное. Когда у нас зима, Солнце поднимается невысоко и рано заходит, его лучи падают полого
        и греют слабее. Расстояние до Солнца тут ни при чём: ближе всего к нему Земля как раз в начале января.

        Η γιαγιά μου έλεγε ότι το καλό ψωμί θέλει τρία πράγματα: αλεύρι, νερό και υπομονή. Το αλάτι το θεωρούσε αυτονόητο. Κάθε Σάββατο άναβε τον
        φούρνο πριν ξημερώσει, και η μυρωδιά ξυπνούσε όλη τη γειτονιά.

        清晨五点半，菜市场已经热闹起来了。卖豆腐的老王把木板一块一块地摆好，一边和隔壁卖鱼的大姐聊天。他说，他的儿子在上海学计算机，过年才回来一次。
        “学那个有什么用？”大姐问。“我也不知道，”老王笑着说，“他说以后机器会自己写文章。”大姐想了想，说：“那机器会做豆腐吗？”

        问：为什么冰会浮在水面上？
        答：大多数物质在凝固时体积会变小，而水是一个例外。水结成冰时，分子排列成比较空的晶体结构，体积大约增加百分之九，所以冰的密度比水小，会浮在水面上。
        这对湖里的鱼很重要：冬天湖面结冰以后，冰层像一条被子，下面的水仍然可以保持在四摄氏度左右。

        駅前の小さな喫茶店は、父の代から五十年続いている。メニューはほとんど変わらない。コーヒー、紅茶、トースト、それに夏だけのかき氷。常連の客は何も
        言わずに座り、私も何も聞かずにいつものものを出す。先週、その一人が初めて口を開いた。「今日は、紅茶にしてみようかな」と彼は言った。二十年ぶりの
        冒険だったらしい。

        質問：メールと手紙の違いを一つ挙げてください。
        回答：手紙は届くまでに一日以上かかりますが、メールは数秒で届きます。その代わり、手紙には書いた人の字や紙の手触りが残ります。

        할머니는 해마다 십일월이 되면 김치를 백 포기씩 담그셨다. 온 동네 사람들이 마당에 모여 배추를 절이고 무를 썰었다. 나는 너무 어려서 마늘 까는 일만
        맡았는데, 손가락이 매워서 자꾸 울었다. 그러면 옆집 아저씨가 말했다. “우는 사람이 만든 김치가 제일 맛있단다.”

        كان البحر هادئًا في ذلك الصباح، ولم يكن في الميناء سوى قارب واحد. جلس الصياد العجوز يصلح شباكه ويحكي لحفيده عن السنة التي هرب فيها السمك من
        الشاطئ كله. سأله الصبي: «وماذا أكلتم؟» فضحك الرجل وقال: «أكلنا الحكايات يا بني، وكانت كثيرة.»

        गाँव के स्कूल में केवल दो कमरे थे और एक घंटी, जो असल में रेल की पटरी का टुकड़ा थी। मास्टर जी हर सुबह उसे ठीक सात बजे बजाते थे। बच्चे कहते थे
        कि सूरज भी उसी को सुनकर निकलता है। एक दिन मास्टर जी बीमार पड़ गए, घंटी नहीं बजी, और बच्चों ने देखा कि सूरज फिर भी निकल आया।

        Nyumba ya babu ilikuwa karibu na ziwa. Kila jioni wavuvi walirudi na samaki, na watoto walikimbia kuwapokea. Babu alisema kwamba ziwa
        halidanganyi: likikupa kidogo leo, litakupa zaidi kesho, ila usichukue kuliko unavyohitaji.

        Tôi lớn lên trong một con hẻm nhỏ, nơi nhà nào cũng biết hôm nay nhà bên cạnh ăn gì. Buổi tối, khi mất điện, mọi người mang ghế ra ngoài
        ngồi hóng gió và kể chuyện. Bây giờ hẻm đã có đèn sáng suốt đêm, và ít ai còn kể chuyện nữa.

        Glossary. English: bread, water, house, tomorrow. German: Brot, Wasser, Haus, morgen. French: pain, eau, maison, demain. Spanish: pan,
        agua, casa, mañana. Italian: pane, acqua, casa, domani. Swedish: bröd, vatten, hus, i morgon. Finnish: leipä, vesi, talo, huomenna.

        """#
}
